using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Moodle.Configuration;

/// <summary>YAML as nodes that know their lines.</summary>
internal static class ConfigDocument
{
    // No key lies deeper than a handful of sections; what does costs the parser a stack frame for each level.
    private const int DeepestNesting = 32;

    /// <summary>The mapping of a document, null where the document is empty.</summary>
    /// <exception cref="InputException">Not valid YAML, a repeated key, or no mapping; the line is named.</exception>
    public static YamlMappingNode? Root(string yaml, string source)
    {
        var stream = new YamlStream();
        try
        {
            CheckNesting(yaml, source);
            stream.Load(new StringReader(yaml));
        }
        catch (YamlException error)
        {
            throw Invalid(error, yaml, source);
        }
        catch (ArgumentException error)
        {
            // What the library says where a collection ends that never began.
            throw new InputException($"{source}: not valid YAML; look for a bracket, brace or quote without its other half", error);
        }

        if (stream.Documents.Count > 1)
        {
            throw InputException.At(source, stream.Documents[1].RootNode.Start.Line, "a second YAML document begins", "remove the line '---' before it");
        }

        return stream.Documents.FirstOrDefault()?.RootNode switch
        {
            null or YamlScalarNode { Style: ScalarStyle.Plain, Value: "" } => null,
            YamlMappingNode mapping => mapping,
            var other => throw InputException.At(source, other.Start.Line, $"found {Show(other)}, expected keys with values, such as 'seed: 1'"),
        };
    }

    // Event by event, without recursion. A few aliases of aliases stand for more nodes than memory holds, and no configuration needs them.
    private static void CheckNesting(string yaml, string source)
    {
        var parser = new Parser(new StringReader(yaml));
        for (long depth = 0, line = 1; MoveNext(parser, source, line);)
        {
            line = parser.Current!.Start.Line;
            depth += parser.Current.NestingIncrease;
            if (depth > DeepestNesting)
            {
                throw InputException.At(source, line, $"more than {DeepestNesting} levels of nesting", "expected keys with values, such as 'seed: 1'");
            }

            if (parser.Current is AnchorAlias)
            {
                throw InputException.At(source, line, "an alias (*name)", "aliases are not read; write the value out");
            }
        }
    }

    // On some broken texts the parser fails by an error of its own that knows no line.
    private static bool MoveNext(Parser parser, string source, long line)
    {
        try
        {
            return parser.MoveNext();
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException or IndexOutOfRangeException)
        {
            throw new InputException($"{source}:{line}: not valid YAML here or in the lines that follow; look for a bracket, brace or quote without its other half", error);
        }
    }

    /// <summary>A value from the command line: its text as it stands, or for a list its parts between commas, brackets or not.</summary>
    public static YamlNode Value(string text, bool list)
    {
        if (!list)
        {
            return new YamlScalarNode(text) { Style = ScalarStyle.Plain };
        }

        var inner = text.StartsWith('[') && text.EndsWith(']') ? text[1..^1] : text;
        return new YamlSequenceNode(inner.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(item => new YamlScalarNode(item) { Style = ScalarStyle.Plain }));
    }

    /// <summary>A node in an error message.</summary>
    public static string Show(YamlNode node) => node switch
    {
        YamlScalarNode { Style: ScalarStyle.Plain, Value: "" } => "empty",
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => $"'{Short(scalar.Value)}'",
        YamlScalarNode scalar => $"the text \"{Short(scalar.Value)}\"",
        YamlSequenceNode list => $"[{Short(string.Join(", ", list.Children))}]",
        _ => "a section",
    };

    // A message is one line, whatever the value.
    private static string Short(string? text)
    {
        var line = (text ?? "").ReplaceLineEndings(" ");
        return line.Length <= 60 ? line : line[..57] + "...";
    }

    private static InputException Invalid(YamlException error, string yaml, string source)
    {
        var line = Math.Max(1, error.Start.Line);
        var message = (error.InnerException ?? error).Message.ReplaceLineEndings(" ");
        if (message.StartsWith("Duplicate key", StringComparison.OrdinalIgnoreCase))
        {
            return InputException.At(source, line, $"the key '{message["Duplicate key".Length..].Trim()}' stands here a second time", "remove one of the two");
        }

        // The parser names where the block began, or the end of the file; people look for the line with the tab, or the last one.
        var lines = yaml.TrimEnd().Split('\n');
        line = Math.Min(line, lines.Length);
        var tab = Array.FindIndex(lines, (int)line - 1, text => text[..(text.Length - text.TrimStart().Length)].Contains('\t', StringComparison.Ordinal));
        return tab >= 0 && (tab == line - 1 || message.Contains("tab", StringComparison.Ordinal))
            ? InputException.At(source, tab + 1, "a tab in the indentation", "indent with blanks")
            : InputException.At(source, line, $"not valid YAML: {message.TrimEnd('.')}");
    }
}
