using System.Globalization;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;
using Moodle.Runtime;

namespace Moodle.Evaluation;

/// <summary>
/// Queries and answers as tables. Queries: a header with the columns head, relation and tail (others are ignored), tab separated if a
/// tab stands in the header, otherwise by commas; one of head and tail is empty or <c>?</c>.
/// Answers: a row for each, with columns head, relation, tail, asked, rank, name, score, probability, known, and share_&lt;part&gt; for
/// every part of the score; head and tail are labels, the answer in its place.
/// </summary>
public static class PredictionFile
{
    private static readonly string[] QueryColumns = ["head", "relation", "tail"];
    private static readonly string[] AnswerColumns = [.. QueryColumns, "asked", "rank", "name", "score", "probability", "known"];

    /// <summary>Reads queries.</summary>
    /// <param name="path">The file.</param>
    /// <param name="predictor">Resolves labels and names.</param>
    /// <exception cref="InputException">The file is missing, has no such columns or no queries, or a line cannot be understood; the message names it.</exception>
    public static IReadOnlyList<PredictionQuery> Read(string path, Predictor predictor)
    {
        try
        {
            using var text = new StreamReader(path, new UTF8Encoding(true, throwOnInvalidBytes: true));
            return Read(path, text, predictor);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"{path}: no such file; give a table with the columns head, relation, tail", error);
        }
        catch (DecoderFallbackException error)
        {
            throw new InputException($"{path}: not valid UTF-8; save the file as UTF-8", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Writes answers beside their place and renames the file; tab separated by the ending <c>.tsv</c>, otherwise by commas.</summary>
    /// <param name="path">The file.</param>
    /// <param name="results">The answers.</param>
    public static void Write(string path, IReadOnlyList<PredictionResult> results) => AtomicFile.Write(path, stream =>
    {
        using var csv = new CsvWriter(new StreamWriter(stream, leaveOpen: true), CsvFormat.For(path));
        var parts = results.SelectMany(result => result.Answers).FirstOrDefault()?.Shares.Select(share => share.Part) ?? [];
        foreach (var column in AnswerColumns.Concat(parts.Select(part => "share_" + part)))
        {
            csv.WriteField(column);
        }

        csv.NextRecord();
        foreach (var result in results)
        {
            foreach (var answer in result.Answers)
            {
                WriteRow(csv, result, answer);
            }
        }
    });

    private static List<PredictionQuery> Read(string path, StreamReader text, Predictor predictor)
    {
        var header = text.ReadLine() ?? throw new InputException($"{path}: empty; expected a header with the columns head, relation, tail");
        var tabs = header.Contains('\t');
        CsvConfiguration format = CsvFormat.Of(tabs);
        format.HasHeaderRecord = false;
        format.BadDataFound = null;
        format.IgnoreBlankLines = false;
        var names = header.Split(tabs ? '\t' : ',').Select(name => name.Trim().Trim('"').ToLowerInvariant()).ToArray();
        var columns = Array.ConvertAll(QueryColumns, column => Array.IndexOf(names, column));
        if (columns.Contains(-1))
        {
            throw InputException.At(path, 1, $"found the columns {string.Join(", ", names)}, expected head, relation, tail", "name them in the first line");
        }

        var queries = new List<PredictionQuery>();
        using var parser = new CsvParser(text, format, leaveOpen: true);
        while (parser.Read())
        {
            // The header was read apart, so the parser's lines are one short.
            var line = parser.RawRow + 1;
            var fields = parser.Record!;
            if (fields.All(string.IsNullOrWhiteSpace))
            {
                continue;
            }

            string? Field(int column) => columns[column] < fields.Length ? fields[columns[column]] : null;
            try
            {
                queries.Add(predictor.Parse(Field(0), Field(1), Field(2)));
            }
            catch (InputException error)
            {
                throw InputException.At(path, line, error.Message);
            }
        }

        return queries.Count > 0 ? queries : throw new InputException($"{path}: holds no queries; expected a line for each under the header");
    }

    private static void WriteRow(CsvWriter csv, PredictionResult result, Prediction answer)
    {
        csv.WriteField(result.Asked == QuerySide.Head ? answer.Label : result.Entity);
        csv.WriteField(result.Relation);
        csv.WriteField(result.Asked == QuerySide.Head ? result.Entity : answer.Label);
        csv.WriteField(result.Asked == QuerySide.Head ? "head" : "tail");
        csv.WriteField(answer.Rank);
        csv.WriteField(answer.Name);
        csv.WriteField(answer.Score.ToString("R", CultureInfo.InvariantCulture));
        csv.WriteField(answer.Probability.ToString("R", CultureInfo.InvariantCulture));
        csv.WriteField(answer.KnownIn is { } split ? EvaluationJson.NameOf(split) : "");
        foreach (var share in answer.Shares)
        {
            csv.WriteField(share.Share.ToString("R", CultureInfo.InvariantCulture));
        }

        csv.NextRecord();
    }
}
