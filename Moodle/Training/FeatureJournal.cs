using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using ICSharpCode.SharpZipLib.Checksum;
using Moodle.Encoders.Pretrained;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// What is encoded so far, batch by batch, on disk: after a kill the next run goes on behind the last whole batch. A file of a head and
/// records, each with its length and a checksum; the first one that is cut off or damaged ends it.
/// </summary>
internal sealed class FeatureJournal : IDisposable
{
    private const int RecordHead = 8;
    private readonly FileStream _file;
    private readonly string _path;
    private readonly int _size;
    private readonly List<long> _records = [];

    /// <summary>Opens a journal, or begins one where the file belongs to other inputs.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">The digest of everything that the features depend on.</param>
    /// <param name="featureSize">Length of a feature vector.</param>
    /// <exception cref="InputException">Another process writes to it, or it cannot be written.</exception>
    public FeatureJournal(string path, string key, int featureSize)
    {
        (_path, _size) = (path, featureSize);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be written ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); if another moodle process encodes the same inputs, wait for it", exception);
        }

        var head = Encoding.UTF8.GetBytes($"moodle features 1 {key} {featureSize}\n");
        var found = new byte[head.Length];
        if (_file.ReadAtLeast(found, found.Length, throwOnEndOfStream: false) < head.Length || !found.SequenceEqual(head))
        {
            _file.SetLength(0);
            _file.Write(head);
            return;
        }

        while (ReadRecord() is { } payload)
        {
            _records.Add(_file.Position - payload.Length);
            var (done, _, broken) = Parts(payload);
            Done += done;
            Broken.AddRange(broken);
        }

        _file.SetLength(_records.Count == 0 ? head.Length : _file.Position);
    }

    /// <summary>The entities that are done, those without a readable input included, in the encoder's order.</summary>
    public int Done { get; private set; }

    /// <summary>Inputs that cannot be read, of all that is done.</summary>
    public List<BrokenInput> Broken { get; } = [];

    /// <summary>Appends a batch.</summary>
    /// <param name="done">The entities that are done with it.</param>
    /// <param name="batch">Those that have a vector, and what is broken.</param>
    /// <param name="features">float32 [entities of the batch, size], contiguous, on the CPU.</param>
    public void Append(int done, FrozenBatch batch, Tensor features)
    {
        var rows = batch.Entities.Count;
        var broken = JsonSerializer.SerializeToUtf8Bytes(batch.Broken);
        var payload = new byte[8 + (4 * rows) + (4 * rows * _size) + broken.Length];
        BinaryPrimitives.WriteInt32LittleEndian(payload, done);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(4), rows);
        MemoryMarshal.AsBytes<int>(batch.Entities.ToArray()).CopyTo(payload.AsSpan(8));
        if (rows > 0)
        {
            MemoryMarshal.AsBytes<float>(features.data<float>().ToArray()).CopyTo(payload.AsSpan(8 + (4 * rows)));
        }

        broken.CopyTo(payload.AsSpan(8 + (4 * rows) + (4 * rows * _size)));
        var head = new byte[RecordHead];
        BinaryPrimitives.WriteInt32LittleEndian(head, payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(4), Checksum(payload));
        try
        {
            _file.Write(head);
            _records.Add(_file.Position);
            _file.Write(payload);
            _file.Flush();
        }
        catch (IOException exception)
        {
            throw new InputException($"{_path}: cannot be written ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); free some space and start again: encoding goes on from here", exception);
        }

        Done += done;
        Broken.AddRange(batch.Broken);
    }

    /// <summary>All vectors.</summary>
    /// <returns>float32 [rows, size], and the entity of each row.</returns>
    public (Tensor Values, int[] Entities) Read()
    {
        var entities = new List<int>();
        var parts = new List<int>();
        foreach (var at in _records)
        {
            _file.Position = at - RecordHead;
            var (_, owners, _) = Parts(ReadRecord() ?? throw Damaged());
            entities.AddRange(owners);
            parts.Add(owners.Length);
        }

        var values = empty(entities.Count, _size);
        for (int i = 0, row = 0; i < parts.Count; row += parts[i++])
        {
            if (parts[i] == 0)
            {
                continue;
            }

            _file.Position = _records[i] - RecordHead;
            var payload = ReadRecord() ?? throw Damaged();
            using var rows = tensor(MemoryMarshal.Cast<byte, float>(payload.AsSpan(8 + (4 * parts[i]), 4 * parts[i] * _size)).ToArray(), parts[i], _size);
            using var place = values.narrow(0, row, parts[i]);
            place.copy_(rows);
        }

        return (values, [.. entities]);
    }

    /// <summary>Removes the file: its content is elsewhere by now.</summary>
    public void Remove()
    {
        _file.Dispose();
        File.Delete(_path);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static uint Checksum(byte[] payload)
    {
        var sum = new Crc32();
        sum.Update(payload);
        return (uint)sum.Value;
    }

    private InputException Damaged() => new($"{_path}: changed while it was read; delete it and start again");

    // Null, with the position where the record began, where there is no whole one.
    private byte[]? ReadRecord()
    {
        var begin = _file.Position;
        Span<byte> head = stackalloc byte[RecordHead];
        if (_file.ReadAtLeast(head, RecordHead, throwOnEndOfStream: false) == RecordHead
            && BinaryPrimitives.ReadInt32LittleEndian(head) is >= 8 and var length && length <= _file.Length - _file.Position)
        {
            var payload = new byte[length];
            _file.ReadExactly(payload);
            if (Checksum(payload) == BinaryPrimitives.ReadUInt32LittleEndian(head[4..]))
            {
                return payload;
            }
        }

        _file.Position = begin;
        return null;
    }

    private (int Done, int[] Entities, BrokenInput[] Broken) Parts(byte[] payload)
    {
        var rows = BinaryPrimitives.ReadInt32LittleEndian(payload.AsSpan(4));
        var entities = MemoryMarshal.Cast<byte, int>(payload.AsSpan(8, 4 * rows)).ToArray();
        return (BinaryPrimitives.ReadInt32LittleEndian(payload), entities, JsonSerializer.Deserialize<BrokenInput[]>(payload.AsSpan(8 + (4 * rows) + (4 * rows * _size)))!);
    }
}
