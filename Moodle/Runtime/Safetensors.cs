using System.IO.MemoryMappedFiles;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// A safetensors file, open for reading through a memory map: only the tensors that are asked for are read. Types F32, F64,
/// F16, BF16, I64, I32, U8 and BOOL.
/// </summary>
public sealed class Safetensors : IDisposable
{
    private const int Chunk = 1 << 24;

    private readonly SafetensorsHeader _header;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;

    private Safetensors(string path, SafetensorsHeader header, MemoryMappedFile map)
    {
        Path = path;
        _header = header;
        _map = map;
        _view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The tensors' names, sorted.</summary>
    public IReadOnlyList<string> Names => [.. _header.Entries.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The text that was stored with the tensors.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file and checks its whole header: every offset, size and name.</summary>
    /// <exception cref="InputException">It cannot be read, is cut off or malformed; the message names the file and what is wrong.</exception>
    public static Safetensors Open(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var header = SafetensorsHeader.Read(file);
            return new Safetensors(
                path, header, MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false));
        }
        catch (InvalidDataException e)
        {
            throw new InputException($"{path}: no valid safetensors file: {e.Message}; fetch or write it again", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
        }
    }

    /// <summary>Whether the file holds a tensor of that name.</summary>
    public bool Contains(string name) => _header.Entries.ContainsKey(name);

    /// <summary>The type of a tensor's elements.</summary>
    /// <exception cref="InputException">There is no such tensor.</exception>
    public ScalarType TypeOf(string name) => Find(name).Type;

    /// <summary>The shape of a tensor.</summary>
    /// <exception cref="InputException">There is no such tensor.</exception>
    public IReadOnlyList<long> ShapeOf(string name) => Find(name).Shape;

    /// <summary>Reads a tensor into new memory.</summary>
    /// <returns>On the CPU, of the file's type and shape; the caller owns it.</returns>
    /// <exception cref="InputException">There is no such tensor.</exception>
    public unsafe Tensor Read(string name)
    {
        var entry = Find(name);
        ObjectDisposedException.ThrowIf(_view.SafeMemoryMappedViewHandle.IsClosed, this);
        var tensor = empty(entry.Shape, dtype: entry.Type, device: CPU);
        if (entry.ByteCount == 0)
        {
            return tensor;
        }
        byte* from = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref from);
        try
        {
            from += _view.PointerOffset + entry.Offset;
            var to = (byte*)tensor.Address();
            Buffer.MemoryCopy(from, to, entry.ByteCount, entry.ByteCount);
            if (entry.Type == ScalarType.Bool)
            {
                // Any byte but 0 and 1 is undefined behaviour where C++ reads a bool.
                for (var i = 0L; i < entry.ByteCount; i++)
                {
                    to[i] = to[i] == 0 ? (byte)0 : (byte)1;
                }
            }
            GC.KeepAlive(tensor);
        }
        finally
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        return tensor;
    }

    /// <summary>Writes tensors, from any device, beside the file's place and renames.</summary>
    /// <param name="path">The file, which may exist.</param>
    /// <param name="tensors">The tensors by name; they are written in the order of their names.</param>
    /// <param name="metadata">Text to keep with them.</param>
    /// <exception cref="ArgumentException">A tensor has a type that cannot be written.</exception>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public static void Write(
        string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        // Wide elements first keeps every tensor aligned to its own elements, as the format's own library does.
        var ordered = tensors
            .OrderByDescending(pair => pair.Value.ElementSize)
            .ThenBy(pair => pair.Key, StringComparer.Ordinal)
            .ToList();
        var head = SafetensorsHeader.Build(
            ordered.Select(pair => (pair.Key, pair.Value.dtype, pair.Value.shape, pair.Value.NumberOfElements * pair.Value.ElementSize)),
            metadata ?? new Dictionary<string, string>());
        AtomicFile.Write(path, stream =>
        {
            stream.Write(head);
            foreach (var (_, tensor) in ordered)
            {
                WriteData(stream, tensor);
            }
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
    }

    private SafetensorsEntry Find(string name) => _header.Entries.TryGetValue(name, out var entry)
        ? entry
        : throw new InputException($"{Path}: holds no tensor \"{name}\"; expected a file written for this model");

    private static unsafe void WriteData(Stream stream, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var onCpu = tensor.detach().cpu().contiguous();
        var data = (byte*)onCpu.Address();
        var byteCount = onCpu.NumberOfElements * onCpu.ElementSize;
        for (var at = 0L; at < byteCount; at += Chunk)
        {
            stream.Write(new ReadOnlySpan<byte>(data + at, (int)Math.Min(byteCount - at, Chunk)));
        }
        GC.KeepAlive(onCpu);
    }
}
