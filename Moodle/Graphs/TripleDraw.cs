using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Moodle.Graphs;

/// <summary>
/// Draws triples at random by a digest of seed and labels, so that the draw depends neither on the order of lines, nor on how entities are
/// numbered, nor on a library's generator: triples in ascending order of the first 8 bytes (big-endian) of the SHA-256 of
/// <c>seed TAB head TAB relation TAB tail</c> in UTF-8.
/// </summary>
internal static class TripleDraw
{
    /// <summary>Takes a share of distinct triples. No entity or relation loses its last triple, so less may come than was asked for.</summary>
    /// <param name="triples">The triples, none twice.</param>
    /// <param name="entities">Labels of the entities.</param>
    /// <param name="relations">Labels of the relations.</param>
    /// <param name="share">The share to take, rounded.</param>
    /// <param name="seed">The seed.</param>
    /// <returns>What stays and what was taken, each in the order given.</returns>
    public static (ImmutableArray<Triple> Kept, ImmutableArray<Triple> Taken) Take(
        ImmutableArray<Triple> triples, IReadOnlyList<string> entities, IReadOnlyList<string> relations, double share, int seed)
    {
        var (ofEntity, ofRelation) = (new int[entities.Count], new int[relations.Count]);
        var keys = new ulong[triples.Length];
        for (var i = 0; i < triples.Length; i++)
        {
            var (head, relation, tail) = triples[i];
            ofEntity[head]++;
            ofEntity[tail]++;
            ofRelation[relation]++;
            var text = string.Create(CultureInfo.InvariantCulture, $"{seed}\t{entities[head]}\t{relations[relation]}\t{entities[tail]}");
            keys[i] = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        }

        var (taken, wanted) = (new HashSet<int>(), (int)Math.Round(share * triples.Length));
        foreach (var i in Enumerable.Range(0, triples.Length).OrderBy(i => keys[i]))
        {
            if (taken.Count == wanted)
            {
                break;
            }

            var (head, relation, tail) = triples[i];
            var own = head == tail ? 2 : 1;
            if (ofEntity[head] > own && ofEntity[tail] > own && ofRelation[relation] > 1)
            {
                ofEntity[head]--;
                ofEntity[tail]--;
                ofRelation[relation]--;
                taken.Add(i);
            }
        }

        return ([.. triples.Where((_, i) => !taken.Contains(i))], [.. triples.Where((_, i) => taken.Contains(i))]);
    }
}
