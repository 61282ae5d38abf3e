namespace Moodle.Evaluation;

/// <summary>Something for the queries of both sides together and for each side alone.</summary>
/// <param name="Both">Both sides together.</param>
/// <param name="Head">Queries (?, r, t).</param>
/// <param name="Tail">Queries (h, r, ?).</param>
public sealed record BySide<T>(T Both, T Head, T Tail)
{
    /// <summary>The same for what a function makes of each.</summary>
    public BySide<TResult> Select<TResult>(Func<T, TResult> function) => new(function(Both), function(Head), function(Tail));
}
