using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;

namespace Moodle.Evaluation;

/// <summary>How the tables of evaluation and prediction are written: tab separated by the ending <c>.tsv</c>, otherwise by commas with quotes where needed.</summary>
internal static class CsvFormat
{
    /// <summary>The format for a file's ending. Quotes mean nothing in a tab separated file.</summary>
    internal static CsvConfiguration For(string path) => Of(path.EndsWith(".tsv", StringComparison.OrdinalIgnoreCase));

    /// <summary>The format for either kind.</summary>
    internal static CsvConfiguration Of(bool tabs) => new(CultureInfo.InvariantCulture)
    {
        Delimiter = tabs ? "\t" : ",",
        Mode = tabs ? CsvMode.NoEscape : CsvMode.RFC4180,
        NewLine = "\n",
        PrepareHeaderForMatch = header => header.Header.Trim().ToLowerInvariant(),
    };
}
