using System.Text;
using Moodle.Runtime;
using Moodle.Tests.Support;

namespace Moodle.Tests.Runtime;

[TestClass]
public sealed class AtomicFileTests
{
    [TestMethod]
    public void Write_MakesFoldersAndReplaces()
    {
        using var folder = TestData.NewFolder();
        var path = Path.Combine(folder.Path, "a", "b.txt");
        AtomicFile.WriteText(path, "one");
        AtomicFile.WriteText(path, "zwölf");
        CollectionAssert.AreEqual(Encoding.UTF8.GetBytes("zwölf"), File.ReadAllBytes(path));
        Assert.HasCount(1, Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [TestMethod]
    public void Write_ThatFails_LeavesTheOldFileAlone()
    {
        using var folder = TestData.NewFolder();
        AtomicFile.WriteText(folder["x"], "old");
        Assert.ThrowsExactly<FormatException>(() => AtomicFile.Write(folder["x"], stream =>
        {
            stream.WriteByte(1);
            throw new FormatException();
        }));
        Assert.AreEqual("old", File.ReadAllText(folder["x"]));
        Assert.HasCount(1, Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    public void Write_NamesTheFileThatCannotBeWritten()
    {
        using var folder = TestData.NewFolder();
        var full = Assert.ThrowsExactly<InputException>(() => AtomicFile.Write(folder["x"], _ => throw new IOException("No space left on device")));
        Assert.Contains(folder["x"] + ": cannot be written: No space left on device;", full.Message);

        AtomicFile.WriteText(folder["file"], "");
        var notAFolder = Assert.ThrowsExactly<InputException>(() => AtomicFile.WriteText(Path.Combine(folder["file"], "y"), ""));
        Assert.Contains(Path.Combine(folder["file"], "y"), notAFolder.Message);
        Assert.DoesNotContain("\n", notAFolder.Message);

        Assert.Contains("is a folder", Assert.ThrowsExactly<InputException>(() => AtomicFile.WriteText(folder.Path, "")).Message);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Write_ToADevice_DoesNotReplaceIt()
    {
        AtomicFile.WriteText("/dev/null", "gone");
        Assert.AreEqual("", File.ReadAllText("/dev/null"));
        Assert.Contains("No space left", Assert.ThrowsExactly<InputException>(() => AtomicFile.WriteText("/dev/full", "x")).Message);
    }
}
