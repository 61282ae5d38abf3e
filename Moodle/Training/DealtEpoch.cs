using Moodle.Graphs;

namespace Moodle.Training;

/// <summary>An epoch's batches one after the other, on the host: what <see cref="QueryBatches"/> dealt.</summary>
internal sealed class DealtEpoch
{
    /// <summary>Lists what comes in which order.</summary>
    /// <param name="queries">The training queries.</param>
    /// <param name="pieces">Pieces of queries: the query, its first answer among <paramref name="answers"/> and how many there are.</param>
    /// <param name="answers">Answers by their index.</param>
    /// <param name="batchSize">Triples of a batch, or a few more.</param>
    public DealtEpoch(TrainingQueries queries, (int Query, int First, int Count)[] pieces, int[] answers, int batchSize)
    {
        Pieces = pieces;
        (Heads, Relations, Weights) = (new long[pieces.Length], new long[pieces.Length], new float[pieces.Length]);
        (Rows, Answers, Counts) = (new long[answers.Length], new long[answers.Length], new float[answers.Length]);
        var at = 0;
        for (var place = 0; place < pieces.Length; place++)
        {
            var (query, first, count) = pieces[place];
            (Heads[place], Relations[place]) = (queries.Entities[query], queries.Relations[query]);
            foreach (var answer in answers.AsSpan(first, count))
            {
                (Answers[at], Counts[at]) = (queries.AllAnswers[answer], queries.AllMultiplicities[answer]);
                Weights[place] += Counts[at++];
            }
        }

        Cut(batchSize);
    }

    /// <summary>A batch has so many pieces and answers, beginning at these.</summary>
    public List<(int First, int Count, int FirstAnswer, int Answers, long Weight)> Batches { get; } = [];

    /// <summary>Pieces of queries.</summary>
    public (int Query, int First, int Count)[] Pieces { get; }

    /// <summary>The head of each piece.</summary>
    public long[] Heads { get; }

    /// <summary>Its relation.</summary>
    public long[] Relations { get; }

    /// <summary>How many triples it stands for.</summary>
    public float[] Weights { get; }

    /// <summary>Of each answer: its piece, counted from the beginning of the batch.</summary>
    public long[] Rows { get; }

    /// <summary>Of each answer: the entity.</summary>
    public long[] Answers { get; }

    /// <summary>Of each answer: how many triples it stands for.</summary>
    public float[] Counts { get; }

    /// <summary>The pieces of a batch.</summary>
    public ReadOnlySpan<(int Query, int First, int Count)> PiecesOf(int batch) => Pieces.AsSpan(Batches[batch].First, Batches[batch].Count);

    private void Cut(int batchSize)
    {
        for (int first = 0, next, firstAnswer = 0, answers; first < Pieces.Length; first = next, firstAnswer += answers)
        {
            (var weight, answers) = (0L, 0);
            for (next = first; next < Pieces.Length && weight < batchSize; next++)
            {
                var count = Pieces[next].Count;
                Array.Fill(Rows, next - first, firstAnswer + answers, count);
                answers += count;
                weight += (long)Weights[next];
            }

            Batches.Add((first, next - first, firstAnswer, answers, weight));
        }
    }
}
