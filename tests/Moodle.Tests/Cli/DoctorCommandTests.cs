using System.CommandLine;
using System.Text.Json;
using Moodle.Cli;
using Moodle.Tests.Support;

namespace Moodle.Tests.Cli;

[TestClass]
public sealed class DoctorCommandTests
{
    [TestMethod]
    public void Doctor_FindsTheDefaultWorkingAndWritesJson()
    {
        using var folder = TestData.NewFolder();
        using var output = new StringWriter();
        var code = DoctorCommand.Create().Parse(["--json", folder["doctor.json"]]).Invoke(new InvocationConfiguration { Output = output });
        Assert.AreEqual(0, code, output.ToString());
        foreach (var line in new[] { "ok       .NET", "ok       libtorch", "ok       libvips" })
        {
            Assert.Contains(line, output.ToString());
        }
        Assert.DoesNotContain("\u001b", output.ToString());

        using var json = JsonDocument.Parse(File.ReadAllText(folder["doctor.json"]));
        Assert.IsTrue(json.RootElement.GetProperty("works").GetBoolean());
        var names = json.RootElement.GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("name").GetString()).ToArray();
        CollectionAssert.IsSubsetOf(new[] { ".NET", "system", "libtorch", "CPU", "libvips", "CUDA driver", "GPU", "NVRTC" }, names);
    }

    [TestMethod]
    public void EveryMissingThing_HasARemedy()
    {
        foreach (var check in Moodle.Runtime.SystemReport.Collect().Where(check => !check.Ok))
        {
            Assert.IsFalse(string.IsNullOrWhiteSpace(check.Remedy), check.Name);
        }
    }
}
