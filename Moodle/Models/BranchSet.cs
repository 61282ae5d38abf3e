using static TorchSharp.torch;

namespace Moodle.Models;

/// <summary>The branches under their names. TorchSharp 0.107's own dictionary of modules cannot be moved to another device: it has two indexers, which its reflection takes for one name.</summary>
internal sealed class BranchSet : nn.Module
{
    private readonly List<Branch> _branches = [];

    public BranchSet() : base(nameof(BranchSet))
    {
    }

    /// <summary>The branches in the order in which they were added.</summary>
    public IReadOnlyList<Branch> All => _branches;

    /// <summary>Adds a branch.</summary>
    public void Add(string name, Branch branch)
    {
        register_module(name, branch);
        _branches.Add(branch);
    }
}
