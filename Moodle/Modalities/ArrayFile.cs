using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Modalities;

/// <summary>A file of arrays, by its extension: <c>.npy</c>, <c>.npz</c>, <c>.safetensors</c>. Others are refused with the way to convert them; no pickle is ever opened.</summary>
internal static class ArrayFile
{
    /// <summary>Whether the extension is one of those.</summary>
    public static bool IsKnown(string path) => Extension(path) is ".npy" or ".npz" or ".safetensors";

    /// <summary>Whether a file of several arrays holds one of that name.</summary>
    public static bool Holds(string path, string array)
    {
        switch (Extension(path))
        {
            case ".npz":
                using (var archive = NumpyArchive.Open(path))
                {
                    return archive.Contains(array);
                }

            case ".safetensors":
                using (var file = Safetensors.Open(path))
                {
                    return file.Contains(array);
                }

            default:
                return false;
        }
    }

    /// <summary>Reads an array.</summary>
    /// <param name="path">The file.</param>
    /// <param name="array">Its name, or null for the only one.</param>
    /// <param name="key">The key of the configuration that names an array.</param>
    /// <exception cref="InputException">It cannot be read, or there are several and none is named.</exception>
    public static Tensor Read(string path, string? array, string key)
    {
        switch (Extension(path))
        {
            case ".npy":
                return NumpyArray.Read(path);
            case ".npz":
                using (var archive = NumpyArchive.Open(path))
                {
                    return archive.Read(array ?? Only(path, archive.Names, key));
                }

            case ".safetensors":
                using (var file = Safetensors.Open(path))
                {
                    return file.Read(array ?? Only(path, file.Names, key));
                }

            default:
                throw new InputException($"{path}: {Remedy(path)}");
        }
    }

    private static string Extension(string path) => Path.GetExtension(path).ToLowerInvariant();

    private static string Only(string path, IReadOnlyList<string> names, string key) => names.Count == 1
        ? names[0]
        : throw new InputException($"{path}: holds {names.Count} arrays; name one with {key}: {string.Join(", ", names.Take(10))}{(names.Count > 10 ? ", ..." : "")}");

    private static string Remedy(string path)
    {
        var target = Path.ChangeExtension(Path.GetFileName(path), ".npy");
        return Extension(path) switch
        {
            ".pth" or ".pt" or ".bin" => "a pickle may hold programs and is not opened; convert it, if you trust its source: "
                + $"python -c \"import numpy, torch; numpy.save('{target}', torch.load('{Path.GetFileName(path)}', weights_only=True).float().numpy())\"",
            ".pkl" or ".pickle" => "a pickle may hold programs and is not opened; convert it, if you trust its source: "
                + $"python -c \"import numpy, pickle; numpy.save('{target}', numpy.asarray(pickle.load(open('{Path.GetFileName(path)}', 'rb')), 'float32'))\"",
            ".h5" or ".hdf5" => "HDF5 is not read; convert it: "
                + $"python -c \"import h5py, numpy; f = h5py.File('{Path.GetFileName(path)}'); k = list(f); numpy.save('{target}', [numpy.ravel(f[i]) for i in k]); open('ids.txt', 'w').write('\\n'.join(k))\"",
            var other => $"'{other}' is no file of arrays that is read; save a .npy, .npz or .safetensors file",
        };
    }
}
