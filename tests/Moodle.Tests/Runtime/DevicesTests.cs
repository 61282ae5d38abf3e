using Moodle.Runtime;
using Moodle.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class DevicesTests
{
    [TestMethod]
    public void Cpu_IsAlwaysThere() => Assert.AreEqual(DeviceType.CPU, Devices.Parse("cpu").type);

    [TestMethod]
    [DataRow("")]
    [DataRow("gpu")]
    [DataRow("cuda:")]
    [DataRow("cuda:-1")]
    [DataRow("cuda: 1")]
    [DataRow("cuda:99999999999")]
    public void OtherNames_AreRefused(string name)
    {
        var error = Assert.ThrowsExactly<InputException>(() => Devices.Parse(name));
        Assert.Contains("expected cpu, cuda or cuda:N", error.Message);
    }

    [TestMethod]
    public void MissingGpu_SaysWhatWasLookedFor()
    {
        var name = cuda.is_available() ? $"cuda:{cuda.device_count()}" : "cuda";
        var error = Assert.ThrowsExactly<InputException>(() => Devices.Parse(name));
        Assert.DoesNotContain("\n", error.Message);
        Assert.Contains(cuda.is_available() ? "does not exist" : "cannot be used", error.Message);
    }

    [TestMethod]
    [TestCategory("Gpu")]
    public void Cuda_IsFound()
    {
        AnyGpu.Require();
        Assert.AreEqual(DeviceType.CUDA, Devices.Parse("cuda").type);
        Assert.AreEqual(0, Devices.Parse("cuda:0").index);
    }

    [TestMethod]
    public void SetThreads_Sets()
    {
        var before = get_num_threads();
        try
        {
            Devices.SetThreads(1);
            Assert.AreEqual(1, get_num_threads());
            Devices.SetThreads(0);
            Assert.AreEqual(Environment.ProcessorCount, get_num_threads());
        }
        finally
        {
            set_num_threads(before);
        }
    }
}
