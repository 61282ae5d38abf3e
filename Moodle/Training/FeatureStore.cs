using System.Security.Cryptography;
using System.Text;
using Moodle.Configuration;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>An encoder's features on disk, memory-mapped when read, and valid for one key only: a digest of inputs, options and seed.</summary>
internal static class FeatureStore
{
    private const string Values = "features";
    private const string Entities = "entities";
    private const string Key = "key";

    /// <summary>A digest of everything that features depend on.</summary>
    public static string KeyOf(IEnumerable<string> inputs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var input in inputs)
        {
            var bytes = Encoding.UTF8.GetBytes(input);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A digest of a file for <see cref="KeyOf"/>; the same for all that cannot be read.</summary>
    public static string ContentOf(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "unreadable";
        }
    }

    /// <summary>Where the user's cache keeps features, for any run.</summary>
    public static string CacheOf(Modality modality, string key) => Path.Combine(UserCache.Folder("features"), $"{MultimodalModel.NameOf(modality)}-{key}.safetensors");

    /// <summary>Writes features.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">What they are valid for.</param>
    /// <param name="features">The features.</param>
    /// <param name="entities">The entity of each row.</param>
    /// <param name="encoder">The encoder's own tensors, kept beside what it made.</param>
    public static void Write(string path, string key, EntityFeatures features, IReadOnlyList<int> entities, IReadOnlyDictionary<string, Tensor> encoder)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var rows = tensor(entities.ToArray());
        Safetensors.Write(path, new Dictionary<string, Tensor>(encoder) { [Values] = features.Values, [Entities] = rows }, new Dictionary<string, string> { [Key] = key });
    }

    /// <summary>Reads features, or null where the file is missing or belongs to another key.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">The key, or null to take what is there.</param>
    /// <param name="entityCount">|E|.</param>
    public static EntityFeatures? Read(string path, string? key, int entityCount)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        using var file = Safetensors.Open(path);
        if (key is not null && (!file.Metadata.TryGetValue(Key, out var found) || found != key))
        {
            return null;
        }

        using var entities = file.Read(Entities);
        return new EntityFeatures(file.Read(Values), entities.data<int>().ToArray(), entityCount);
    }
}
