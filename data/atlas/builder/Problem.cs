namespace Atlas;

/// <summary>Something wrong in a source table: where it stands, what it is.</summary>
internal sealed record Problem(string File, int Line, string Text)
{
    public override string ToString() => $"{File}:{Line}: {Text}";
}

/// <summary>Collects what is wrong, so that one run names everything instead of the first thing.</summary>
internal sealed class ProblemList
{
    private readonly List<Problem> _errors = [];
    private readonly List<Problem> _remarks = [];

    /// <summary>Contradictions and gaps: nothing is written while there are any.</summary>
    public IReadOnlyList<Problem> Errors => _errors;

    /// <summary>Matters of taste and length, which do not stop a build.</summary>
    public IReadOnlyList<Problem> Remarks => _remarks;

    public void Error(SourceRow row, string text) => _errors.Add(new(row.File, row.Line, text));

    public void Error(string file, int line, string text) => _errors.Add(new(file, line, text));

    public void Remark(SourceRow row, string text) => _remarks.Add(new(row.File, row.Line, text));
}
