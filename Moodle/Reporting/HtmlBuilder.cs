using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace Moodle.Reporting;

/// <summary>HTML that has been escaped already.</summary>
internal readonly record struct Html(string Markup)
{
    /// <summary>Escapes whatever stands in the holes of an interpolated text; what is written out is taken for HTML.</summary>
    public static Html Of(ref HtmlText text) => new(text.ToString());

    /// <summary>One after the other.</summary>
    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts.Select(part => part.Markup)));
}

/// <summary>Collects HTML. Data sets are untrusted: a text can only come in through a hole, and there it is escaped.</summary>
internal sealed class HtmlBuilder
{
    private readonly StringBuilder _text = new();

    /// <summary>Adds HTML whose holes are escaped.</summary>
    public HtmlBuilder Add(ref HtmlText text)
    {
        _text.Append(text.ToString()).Append('\n');
        return this;
    }

    /// <summary>All of it.</summary>
    public override string ToString() => _text.ToString();

    /// <summary>All of it, to be put into other HTML.</summary>
    public Html ToHtml() => new(_text.ToString());
}

/// <summary>What the compiler makes of an interpolated text where HTML is expected.</summary>
[InterpolatedStringHandler]
internal readonly ref struct HtmlText(int literalLength, int formattedCount)
{
    private readonly StringBuilder _text = new(literalLength + (16 * formattedCount));

    /// <summary>HTML as the program writes it.</summary>
    public void AppendLiteral(string value) => _text.Append(value);

    /// <summary>Text of a data set or a user.</summary>
    public void AppendFormatted(string? value) => _text.Append(WebUtility.HtmlEncode(value));

    /// <summary>HTML that has been escaped already.</summary>
    public void AppendFormatted(Html value) => _text.Append(value.Markup);

    /// <summary>A number.</summary>
    public void AppendFormatted<T>(T value, string? format = null)
        where T : struct, IFormattable => _text.Append(WebUtility.HtmlEncode(value.ToString(format, CultureInfo.InvariantCulture)));

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();
}
