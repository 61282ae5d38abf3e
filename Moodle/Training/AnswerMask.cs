using Moodle.Graphs;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Marks the known answers of a batch of queries.</summary>
internal static class AnswerMask
{
    /// <summary>True where an entity is a known answer of a query: bool [queries, |E|].</summary>
    public static Tensor Of(KnownAnswers known, (int Entity, int Relation)[] queries, int entityCount, Device device)
    {
        var places = new List<long>();
        for (var row = 0; row < queries.Length; row++)
        {
            foreach (var answer in known[queries[row].Entity, queries[row].Relation])
            {
                places.Add(((long)row * entityCount) + answer);
            }
        }

        return zeros((long)queries.Length * entityCount, dtype: ScalarType.Bool, device: device)
            .index_fill_(0, tensor(places.ToArray(), device: device), true).view(queries.Length, entityCount);
    }
}
