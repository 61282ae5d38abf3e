using System.Globalization;
using System.Text;

namespace Moodle.Modalities;

/// <summary>Splits texts into words as BERT's tokenizers do before they look for pieces: at white space, around punctuation and around Chinese characters.</summary>
/// <param name="lowerCase">Whether letters become lower case.</param>
/// <param name="stripAccents">Whether accents are taken off.</param>
internal sealed class BertWords(bool lowerCase, bool stripAccents)
{
    /// <summary>The words, joined by single spaces.</summary>
    public string Split(string text)
    {
        if (lowerCase)
        {
            text = text.ToLowerInvariant();
        }

        if (stripAccents)
        {
            text = Accents.Strip(text);
        }

        var words = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
        {
            var category = Rune.GetUnicodeCategory(rune);
            if (Rune.IsWhiteSpace(rune))
            {
                words.Append(' ');
            }
            else if (rune.Value == 0xFFFD || category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate)
            {
                continue;
            }
            else if (IsPunctuation(rune, category) || IsChinese(rune.Value))
            {
                words.Append(' ').Append(rune.ToString()).Append(' ');
            }
            else
            {
                words.Append(rune.ToString());
            }
        }

        return string.Join(' ', words.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    // In ASCII every sign that is no letter and no digit counts, "$" and "^" too.
    private static bool IsPunctuation(Rune rune, UnicodeCategory category) =>
        rune.IsAscii ? !Rune.IsLetterOrDigit(rune) : category is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    private static bool IsChinese(int value) => value is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2CEAF)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
