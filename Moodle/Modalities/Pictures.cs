using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Moodle.Modalities;

/// <summary>All entities' pictures, decoded to one size and kept as bytes. A picture that cannot be read is listed and left out.</summary>
public sealed class Pictures
{
    private readonly byte[][][] _pictures;

    /// <summary>Decodes pictures in parallel.</summary>
    /// <param name="paths">For each entity its pictures' paths.</param>
    /// <param name="size">Side of the decoded square in pixels.</param>
    /// <param name="perEntity">The most pictures used of an entity, the first ones.</param>
    /// <param name="progress">Told after each entity; may be called from any thread.</param>
    /// <param name="cancellation">Stops decoding.</param>
    public Pictures(ImmutableArray<ImmutableArray<string>> paths, int size, int perEntity, Action? progress = null, CancellationToken cancellation = default)
    {
        Size = size;
        _pictures = new byte[paths.Length][][];
        var broken = new ConcurrentBag<(string Path, string Problem)>();
        Parallel.For(0, paths.Length, new ParallelOptions { CancellationToken = cancellation }, entity =>
        {
            var read = new List<byte[]>();
            foreach (var path in paths[entity])
            {
                if (read.Count == perEntity)
                {
                    break;
                }

                var pixels = new byte[size * size * 3];
                if (PictureReader.TryRead(path, size, pixels, out var problem))
                {
                    read.Add(pixels);
                }
                else
                {
                    broken.Add((path, problem!));
                }
            }

            _pictures[entity] = [.. read];
            progress?.Invoke();
        });
        Broken = [.. broken.OrderBy(entry => entry.Path, StringComparer.Ordinal)];
    }

    /// <summary>Side of the squares in pixels.</summary>
    public int Size { get; }

    /// <summary>The number of entities.</summary>
    public int Count => _pictures.Length;

    /// <summary>Pictures that could not be read, and why.</summary>
    public ImmutableArray<(string Path, string Problem)> Broken { get; }

    /// <summary>An entity's pictures: size × size × 3 bytes each, row by row, channels innermost.</summary>
    public IReadOnlyList<byte[]> this[int entity] => _pictures[entity];
}
