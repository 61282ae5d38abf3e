using System.Globalization;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;

namespace Moodle.Graphs;

/// <summary>A line of a tab separated file.</summary>
/// <param name="Line">Its number, counted from 1.</param>
/// <param name="Fields">Its columns.</param>
internal readonly record struct TsvRow(long Line, string[] Fields);

/// <summary>
/// Raw tab separated files as knowledge graphs come in: UTF-8, any line end, no header, quotes mean nothing.
/// Everything that is wrong with a file is an <see cref="InputException"/> that names the line.
/// </summary>
internal static class Tsv
{
    private static readonly CsvConfiguration Raw = new(CultureInfo.InvariantCulture)
    {
        Delimiter = "\t",
        Mode = CsvMode.NoEscape,
        HasHeaderRecord = false,
        BadDataFound = null,
        IgnoreBlankLines = false,
        CacheFields = true,
        BufferSize = 1 << 16,
    };

    private static readonly CsvConfiguration RawOut = new(CultureInfo.InvariantCulture) { Delimiter = "\t", Mode = CsvMode.NoEscape, NewLine = "\n" };

    /// <summary>Reads a file line by line; empty lines are left out.</summary>
    /// <param name="path">The file.</param>
    /// <param name="columns">What its columns are; every line must have as many.</param>
    /// <exception cref="InputException">The file is missing, is not UTF-8, or a line has another number of columns.</exception>
    public static IEnumerable<TsvRow> Read(string path, params IReadOnlyList<string> columns)
    {
        using var reader = TextLines.Open(path);
        using var parser = new CsvParser(reader, Raw);
        while (Next(parser, path))
        {
            // The parser counts lines itself, so that the number is right for every line end.
            var fields = parser.Record!;
            if (fields.Length == 1 && fields[0].Length == 0)
            {
                continue;
            }

            if (fields.Length != columns.Count)
            {
                throw InputException.At(path, parser.RawRow,
                    $"found {fields.Length} {(fields.Length == 1 ? "column" : "columns")}, expected {columns.Count}",
                    $"a line is {(columns.Count == 1 ? columns[0] : "tab separated: " + string.Join(", ", columns))}");
            }

            yield return new TsvRow(parser.RawRow, fields);
        }
    }

    /// <summary>Writes a file beside its place and renames it, so that no half file ever stands there. Lines end in LF.</summary>
    /// <exception cref="InputException">A field holds a tab or a line end, which the format cannot carry.</exception>
    public static void Write(string path, IEnumerable<IReadOnlyList<string>> rows)
    {
        var beside = path + ".tmp";
        try
        {
            using (var writer = new CsvWriter(new StreamWriter(beside, false, new UTF8Encoding(false)), RawOut))
            {
                foreach (var row in rows)
                {
                    WriteRow(writer, row, path);
                }
            }

            File.Move(beside, path, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }

    private static void WriteRow(CsvWriter writer, IReadOnlyList<string> row, string path)
    {
        foreach (var field in row)
        {
            if (field.AsSpan().ContainsAny('\t', '\n', '\r'))
            {
                throw InputException.At(path, writer.Row, $"'{field}' holds a tab or a line end", "a tab separated file cannot carry it");
            }

            writer.WriteField(field);
        }

        writer.NextRecord();
    }

    private static bool Next(CsvParser parser, string path)
    {
        try
        {
            return parser.Read();
        }
        catch (DecoderFallbackException error)
        {
            throw TextLines.NotUtf8(path, error);
        }
        catch (IOException error)
        {
            throw TextLines.Unreadable(path, error);
        }
    }
}
