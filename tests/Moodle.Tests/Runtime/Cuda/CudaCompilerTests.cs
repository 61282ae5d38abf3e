using Moodle.Runtime.Cuda;

namespace Moodle.Tests.Runtime.Cuda;

[TestClass]
[TestCategory("Gpu")]
public sealed class CudaCompilerTests
{
    [TestMethod]
    public void ABadSource_IsAnException_ThatCarriesTheCompilersLog()
    {
        if (!CudaCompiler.IsFound)
        {
            Assert.Inconclusive(CudaCompiler.NotFound);
        }

        const string source = "__global__ void kernel() { first_mistake(); }\n__global__ void other() { second_mistake(); }";
        var refusal = Assert.ThrowsExactly<CudaException>(() => CudaCompiler.Compile(source, "bad.cu", ["--gpu-architecture=sm_80"]));
        Assert.Contains("bad.cu", refusal.Message);
        Assert.Contains("first_mistake", refusal.Message);
        Assert.Contains("second_mistake", refusal.InnerException!.Message); // the whole log
        Assert.IsNotEmpty(CudaCompiler.Compile("__global__ void kernel() { }", "good.cu", ["--gpu-architecture=sm_80"]));
    }
}
