using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using Moodle.Runtime;

namespace Moodle.Modalities;

/// <summary>
/// The tokenizer of a Hugging Face folder: word pieces from <c>vocab.txt</c> or <c>tokenizer.json</c>, or byte-level BPE from
/// <c>tokenizer.json</c>. A document gets the special token of its beginning and that of its end.
/// </summary>
public sealed partial class PretrainedTokenizer
{
    private const int Most = 1 << 22;
    private readonly Func<string, int, IReadOnlyList<int>> _encode;
    private readonly int _begin;
    private readonly int _end;

    private PretrainedTokenizer(string path, Dictionary<string, int> ids, JsonFile? special, Func<string, int, IReadOnlyList<int>> encode)
    {
        _encode = encode;
        Count = ids.Values.Max() + 1;
        _begin = Id("cls_token", "<s>", "[CLS]");
        _end = Id("sep_token", "</s>", "[SEP]");

        int Id(string key, string first, string second)
        {
            var name = SpecialName(special, key) ?? (ids.ContainsKey(first) ? first : second);
            return ids.TryGetValue(name, out var id) ? id : throw new InputException($"{path}: has no special token '{name}'; the file is of another kind of model, or cut off");
        }
    }

    /// <summary>The number of token ids.</summary>
    public int Count { get; }

    /// <summary>Reads a folder's tokenizer.</summary>
    /// <exception cref="InputException">It has none, or one that is damaged or of a kind that is not known.</exception>
    public static PretrainedTokenizer Open(string folder)
    {
        var (vocabulary, json, settings) = (Path.Combine(folder, "vocab.txt"), Path.Combine(folder, "tokenizer.json"), Path.Combine(folder, "tokenizer_config.json"));
        var special = File.Exists(settings) ? JsonFile.Read(settings) : null;
        if (File.Exists(json))
        {
            var file = JsonFile.Read(json);
            var model = file.Part("model") ?? throw file.Problem("model", "is missing");
            return model.OneOf("type", null, "WordPiece", "BPE") == "WordPiece" ? WordPieces(file, model, special) : BytePairs(file, model, special);
        }

        if (!File.Exists(vocabulary))
        {
            throw new InputException($"{vocabulary}: is missing, and so is tokenizer.json; one of them says how texts become tokens");
        }

        var lowerCase = special?.Flag("do_lower_case", true) ?? true;
        var strips = special is not null && special.Has("strip_accents") ? special.Flag("strip_accents", lowerCase) : lowerCase;
        return WordPieces(vocabulary, ReadVocabulary(vocabulary), special, new BertWords(lowerCase, strips), 100);
    }

    /// <summary>Token ids of a text, at most <paramref name="maxTokens"/> with the special ones, which are always there.</summary>
    public int[] Encode(string text, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [_begin, .. _encode(text, Math.Max(0, maxTokens - 2)), _end];
    }

    private static string? SpecialName(JsonFile? settings, string key) => settings is null ? null
        : settings.KindOf(key) == System.Text.Json.JsonValueKind.Object ? settings.Part(key)!.Text("content") : settings.Text(key);

    private static Dictionary<string, int> ReadVocabulary(string path)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        try
        {
            foreach (var line in File.ReadLines(path, new UTF8Encoding(false, throwOnInvalidBytes: true)))
            {
                if (line.Length == 0 || !ids.TryAdd(line, ids.Count))
                {
                    throw InputException.At(path, ids.Count + 1, line.Length == 0 ? "is empty, expected a piece" : $"piece '{line}' stands there twice", "fetch the file again");
                }

                if (ids.Count > Most)
                {
                    throw new InputException($"{path}: has more than {Most} pieces");
                }
            }
        }
        catch (DecoderFallbackException)
        {
            throw InputException.At(path, ids.Count + 1, "is no UTF-8", "fetch the file again");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
        }

        return ids.Count > 0 ? ids : throw new InputException($"{path}: is empty, expected a piece on each line");
    }

    private static Dictionary<string, int> ReadVocabulary(JsonFile file, JsonFile model)
    {
        var part = model.Part("vocab") ?? throw model.Problem("vocab", "is missing");
        var ids = part.Names.ToDictionary(name => name, name => part.Whole(name, 0, Most), StringComparer.Ordinal);
        foreach (var added in file.Parts("added_tokens"))
        {
            ids[added.Text("content") ?? throw added.Problem("content", "is missing")] = added.Whole("id", 0, Most);
        }

        return ids.Count > 0 && ids.Values.Distinct().Count() == ids.Count ? ids : throw model.Problem("vocab", "is empty, or gives one id to two tokens");
    }

    private static PretrainedTokenizer WordPieces(JsonFile file, JsonFile model, JsonFile? special)
    {
        var normalizer = file.Part("normalizer") ?? throw file.Problem("normalizer", "is missing; expected a BertNormalizer");
        normalizer.OneOf("type", null, "BertNormalizer");
        file.Part("pre_tokenizer")?.OneOf("type", null, "BertPreTokenizer");
        if ((model.Text("continuing_subword_prefix") ?? WordPieceTrainer.Continuation) != WordPieceTrainer.Continuation)
        {
            throw model.Problem("continuing_subword_prefix", $"must be {WordPieceTrainer.Continuation}");
        }

        var lowerCase = normalizer.Flag("lowercase", true);
        return WordPieces(file.Path, ReadVocabulary(file, model), special,
            new BertWords(lowerCase, normalizer.Flag("strip_accents", lowerCase)), model.Whole("max_input_chars_per_word", 1, 1 << 20, 100));
    }

    private static PretrainedTokenizer WordPieces(string path, Dictionary<string, int> ids, JsonFile? special, BertWords words, int longestWord)
    {
        var unknown = SpecialName(special, "unk_token") ?? (ids.ContainsKey("[UNK]") ? "[UNK]" : "<unk>");
        if (!ids.ContainsKey(unknown))
        {
            throw new InputException($"{path}: has no special token '{unknown}'; the file is of another kind of model, or cut off");
        }

        // The library wants a file in the order of ids, without holes.
        var lines = new string[ids.Values.Max() + 1];
        foreach (var (piece, id) in ids)
        {
            lines[id] = piece.AsSpan().ContainsAny('\r', '\n') ? throw new InputException($"{path}: a piece (id {id}) holds a line break") : piece;
        }

        if (Array.IndexOf(lines, null) is >= 0 and var hole)
        {
            throw new InputException($"{path}: no piece has id {hole}; the file is damaged");
        }

        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        Tokenizer tokenizer;
        try
        {
            tokenizer = WordPieceTokenizerOf(stream, unknown, longestWord);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException)
        {
            throw new InputException($"{path}: is no vocabulary of word pieces ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})", e);
        }

        return new PretrainedTokenizer(path, ids, special, (text, limit) => tokenizer.EncodeToIds(words.Split(text), limit, out _, out _));
    }

    private static Microsoft.ML.Tokenizers.WordPieceTokenizer WordPieceTokenizerOf(Stream stream, string unknown, int longestWord) =>
        Microsoft.ML.Tokenizers.WordPieceTokenizer.Create(stream, new WordPieceOptions
        {
            UnknownToken = unknown,
            ContinuingSubwordPrefix = WordPieceTrainer.Continuation,
            MaxInputCharsPerWord = longestWord,
            PreTokenizer = PreTokenizer.CreateWhiteSpace(),
        });

    private static PretrainedTokenizer BytePairs(JsonFile file, JsonFile model, JsonFile? special)
    {
        var split = file.Part("pre_tokenizer") ?? throw file.Problem("pre_tokenizer", "is missing; expected ByteLevel");
        split.OneOf("type", null, "ByteLevel");
        if (!split.Flag("use_regex", true))
        {
            throw split.Problem("use_regex", "is false; expected true: words are split by GPT-2's rule");
        }

        if (file.Part("normalizer") is { } normalizer)
        {
            // Texts are nearly always composed already; nothing here composes them.
            normalizer.OneOf("type", null, "NFC");
        }

        var ids = ReadVocabulary(file, model);
        var added = file.Parts("added_tokens").ToDictionary(token => token.Text("content")!, token => token.Whole("id", 0, Most), StringComparer.Ordinal);
        var prefix = split.Flag("add_prefix_space", false) ? " " : "";
        Tokenizer tokenizer;
        try
        {
            tokenizer = BpeTokenizer.Create(new BpeOptions(ids)
            {
                Merges = [.. model.Texts("merges")],
                ByteLevel = true,
                SpecialTokens = added,
                PreTokenizer = new RegexPreTokenizer(WordPattern(), added),
            });
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new InputException($"{file.Path}: is no byte-level BPE ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})", e);
        }

        return new PretrainedTokenizer(file.Path, ids, special, (text, limit) => tokenizer.EncodeToIds(text.Length == 0 ? text : prefix + text, limit, out _, out _));
    }

    // GPT-2's rule: English contractions, then letters, digits or other signs with a space before them, then white space.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex WordPattern();
}
