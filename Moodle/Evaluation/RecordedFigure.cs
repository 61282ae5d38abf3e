using System.Globalization;
using CsvHelper;

namespace Moodle.Evaluation;

/// <summary>A filtered test MRR that a configuration was seen to reach, and how far another run of it may lie from there.</summary>
/// <param name="Configuration">The configuration file's name without its ending.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Branch">The branch, or <c>fusion</c>.</param>
/// <param name="Mrr">Test MRR, both sides, realistic ranks.</param>
/// <param name="Tolerance">The largest difference that still counts as the same.</param>
/// <param name="Measured">When and on what it was measured.</param>
public sealed record RecordedFigure(
    string Configuration,
    int Seed,
    string Branch,
    double Mrr,
    double Tolerance,
    string Measured)
{
    /// <summary>Reads the figures of a configuration with the lowest seed that has any.</summary>
    /// <param name="path">A CSV file with the columns configuration, seed, branch, mrr, tolerance, measured.</param>
    /// <param name="configuration">The configuration.</param>
    /// <exception cref="InputException">The file cannot be read, or has no figure of that configuration.</exception>
    public static IReadOnlyList<RecordedFigure> Read(string path, string configuration)
    {
        try
        {
            using var reader = new CsvReader(new StreamReader(path), CsvFormat.For(path));
            var all = new List<RecordedFigure>();
            reader.Read();
            reader.ReadHeader();
            while (reader.Read())
            {
                all.Add(new RecordedFigure(
                    Text("configuration"), Whole("seed"), Text("branch"), Number("mrr"), Number("tolerance"), Text("measured")));
            }

            var own = all.Where(figure => figure.Configuration == configuration).ToArray();
            return own.Length > 0
                ? [.. own.Where(figure => figure.Seed == own.Min(each => each.Seed))]
                : throw new InputException($"{path}: has no figure of '{configuration}'; recorded are {string.Join(", ", all.Select(figure => figure.Configuration).Distinct())}");

            string Text(string column) => reader.TryGetField<string>(column, out var text) && text is not null ? text : throw Wrong(column, "a text");
            double Number(string column) =>
                double.TryParse(Text(column), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) ? value : throw Wrong(column, "a number");
            int Whole(string column) => int.TryParse(Text(column), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(column, "a whole number");
            InputException Wrong(string column, string expected) => InputException.At(path, reader.Parser.RawRow, $"no {column}", $"expected {expected} in the column '{column}'");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CsvHelperException)
        {
            throw new InputException($"{path}: the recorded figures cannot be read: {e.Message.Split('\n')[0].Trim().TrimEnd('.')}", e);
        }
    }

    /// <summary>What a run reached instead, null where it has no such branch.</summary>
    public double? In(EvaluationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return report.Branches.FirstOrDefault(branch => branch.Branch == Branch)?.Realistic.Both.Mrr;
    }

    /// <summary>Whether a run's figure counts as the same.</summary>
    public bool Holds(double? mrr) => Math.Abs(mrr - Mrr ?? double.NaN) <= Tolerance;
}
