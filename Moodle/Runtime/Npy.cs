using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// NumPy's array file: little-endian float16, float32, float64, signed whole numbers, uint8 and bool, in either order. Python objects
/// are refused, since reading them means executing them.
/// </summary>
public static class Npy
{
    private const int Chunk = 1 << 20;

    /// <summary>Reads an array; memory is allocated only once the file has been seen to hold as much.</summary>
    /// <returns>On the CPU, of the file's type and shape, contiguous; the caller owns it.</returns>
    /// <exception cref="InputException">It cannot be read, is cut off or malformed; the message names the file and what is wrong.</exception>
    public static Tensor Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return Read(file, file.Length);
        }
        catch (InvalidDataException e)
        {
            throw new InputException($"{path}: no valid .npy file: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}", e);
        }
    }

    /// <summary>Reads an array from a stream that is known to hold <paramref name="length"/> bytes.</summary>
    /// <exception cref="InvalidDataException">What is wrong with it, without the file's name.</exception>
    internal static unsafe Tensor Read(Stream stream, long length)
    {
        var header = NpyHeader.Read(stream, length);
        var shape = header.Columns ? header.Shape.Reverse().ToArray() : header.Shape;
        var tensor = empty(shape, dtype: header.Type, device: CPU);
        try
        {
            var to = (byte*)tensor.Address();
            for (var at = 0L; at < header.ByteCount; at += Chunk)
            {
                var part = new Span<byte>(to + at, (int)Math.Min(Chunk, header.ByteCount - at));
                if (stream.ReadAtLeast(part, part.Length, throwOnEndOfStream: false) < part.Length)
                {
                    throw new InvalidDataException("it is cut off in its data");
                }

                if (header.Type == ScalarType.Bool)
                {
                    // Any byte but 0 and 1 is undefined behaviour where C++ reads a bool.
                    foreach (ref var value in part)
                    {
                        value = value == 0 ? (byte)0 : (byte)1;
                    }
                }
            }

            if (!header.Columns || shape.Length < 2)
            {
                return tensor;
            }

            using var scope = NewDisposeScope();
            var turned = tensor.permute([.. Enumerable.Range(0, shape.Length).Reverse().Select(axis => (long)axis)]).contiguous().MoveToOuterDisposeScope();
            tensor.Dispose();
            return turned;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }
}
