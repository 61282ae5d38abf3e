using System.Globalization;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;

namespace Atlas;

/// <summary>One row of a source table, with the place where it stands.</summary>
internal sealed class SourceRow
{
    private readonly Dictionary<string, string> _cells;

    private SourceRow(string file, int line, Dictionary<string, string> cells) => (File, Line, _cells) = (file, line, cells);

    /// <summary>The file's name without its folder.</summary>
    public string File { get; }

    /// <summary>The line that the row starts on, counted from 1.</summary>
    public int Line { get; }

    /// <summary>The text of a cell, without blanks around it.</summary>
    public string this[string column] => _cells[column];

    /// <summary>The items of a list cell, which semicolons separate.</summary>
    public string[] List(string column) =>
        _cells[column].Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Reads a table and checks its header and the number of cells of every row.</summary>
    public static List<SourceRow> Read(string path, IReadOnlyList<string> columns, ProblemList problems)
    {
        var file = Path.GetFileName(path);
        var rows = new List<SourceRow>();
        using var reader = new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        using var parser = new CsvParser(reader, new CsvConfiguration(CultureInfo.InvariantCulture) { IgnoreBlankLines = true });
        try
        {
            if (!parser.Read() || !parser.Record!.SequenceEqual(columns))
            {
                problems.Error(file, 1, $"the header must read {string.Join(',', columns)}");
                return rows;
            }

            var line = parser.RawRow + 1;
            while (parser.Read())
            {
                var cells = parser.Record!;
                if (cells.Length == columns.Count)
                {
                    var named = columns.Zip(cells, (column, cell) => (column, cell.Trim())).ToDictionary(StringComparer.Ordinal);
                    rows.Add(new SourceRow(file, line, named));
                }
                else
                {
                    problems.Error(file, line, $"{cells.Length} cells, expected {columns.Count}; put quotes around a cell that holds a comma");
                }

                line = parser.RawRow + 1;
            }
        }
        catch (BadDataException)
        {
            problems.Error(file, parser.RawRow, "a quote stands inside a cell without quotes; put quotes around the cell and double the quote");
        }
        catch (DecoderFallbackException)
        {
            problems.Error(file, parser.RawRow, "not UTF-8");
        }

        return rows;
    }
}
