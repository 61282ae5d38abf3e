using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Parameters and persistent buffers of a module by name, out to a checkpoint and back.</summary>
internal static class ModuleTensors
{
    /// <summary>The module's tensors under a prefix; they stay the module's.</summary>
    public static Dictionary<string, Tensor> Of(nn.Module module, string prefix) =>
        module.state_dict().ToDictionary(entry => prefix + entry.Key, entry => entry.Value);

    /// <summary>Copies tensors into the module.</summary>
    /// <exception cref="InputException">A tensor is missing, has another shape, or belongs to no parameter.</exception>
    public static void Load(nn.Module module, string prefix, IReadOnlyDictionary<string, Tensor> tensors, string source)
    {
        using var _ = no_grad();
        var own = Of(module, prefix);
        foreach (var (name, target) in own)
        {
            if (!tensors.TryGetValue(name, out var value))
            {
                throw new InputException($"{source}: has no tensor '{name}'; the checkpoint belongs to another configuration");
            }

            if (!value.shape.SequenceEqual(target.shape))
            {
                throw new InputException($"{source}: tensor '{name}' has shape [{string.Join(", ", value.shape)}], this configuration needs "
                    + $"[{string.Join(", ", target.shape)}]; use the configuration and the data that the run was trained with");
            }

            target.copy_(value);
        }

        if (tensors.Keys.FirstOrDefault(name => name.StartsWith(prefix, StringComparison.Ordinal) && !own.ContainsKey(name)) is { } stray)
        {
            throw new InputException($"{source}: tensor '{stray}' belongs to nothing in this configuration; use the one that the run was trained with");
        }
    }
}
