using Moodle.Runtime;

// Torch's threads already fill the machine, and tests that watch live tensors need it for themselves.
[assembly: DoNotParallelize]

namespace Moodle.Tests.Support;

/// <summary>What holds for the whole run of the tests.</summary>
[TestClass]
public static class TestRun
{
    [AssemblyInitialize]
    public static void LoadLibTorch(TestContext _) => LibTorch.Load();
}
