using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Moodle.Configuration;

namespace Moodle.Tests.Configuration;

/// <summary><c>configs/default.yaml</c> is the reference of all keys. Its comments are the doc comments of the records.</summary>
[TestClass]
public sealed partial class DefaultYamlTests
{
    private const int Width = 110;

    private static readonly string File = Path.Combine(Repository(), "configs", "default.yaml");

    [TestMethod]
    public void ItHoldsEveryKeyOnceWithItsDefault()
    {
        Assert.AreEqual(ConfigLoader.ToYaml(new MoodleConfig()), ConfigLoader.ToYaml(ConfigLoader.Load(File, [])));

        var lines = System.IO.File.ReadAllLines(File).Where(line => line.Length > 0 && !line.TrimStart().StartsWith('#'));
        CollectionAssert.AreEqual(ConfigLoader.ToYaml(new MoodleConfig()).TrimEnd().Split('\n'), lines.ToArray(), Remedy);
    }

    [TestMethod]
    public void ItsCommentsAreThoseOfTheRecords()
    {
        var expected = Generate();
        if (Environment.GetEnvironmentVariable("MOODLE_WRITE_DEFAULTS") == "1")
        {
            System.IO.File.WriteAllText(File, expected);
        }

        Assert.AreEqual(expected, System.IO.File.ReadAllText(File).ReplaceLineEndings("\n"), Remedy);
    }

    private const string Remedy = "run the tests once with MOODLE_WRITE_DEFAULTS=1 to write configs/default.yaml anew";

    private static string Generate()
    {
        var docs = XDocument.Load(Path.ChangeExtension(typeof(MoodleConfig).Assembly.Location, ".xml"))
            .Descendants("member").ToDictionary(member => member.Attribute("name")!.Value);
        var text = new StringBuilder(
            """
            # Every key with its default. A configuration of your own names only what it changes; single values can be
            # set on the command line: --set text.encoder.layers=4

            """);
        var explained = new HashSet<Type>();
        Section(new MoodleConfig(), "");
        return text.ToString();

        void Section(object record, string indent)
        {
            foreach (var property in ConfigProperty.Of(record.GetType()))
            {
                var value = property.Info.GetValue(record);
                var type = property.Info.DeclaringType!;
                var summary = Text(docs[$"P:{type.FullName!.Replace('+', '.')}.{property.Info.Name}"].Element("summary")!);
                if (property.IsSection)
                {
                    text.Append('\n');
                    Comment(summary, indent + "# ");
                    text.Append(indent).Append(property.Name).Append(":\n");
                    Section(value!, indent + "  ");
                    continue;
                }

                // The value shows the type of texts and switches; the names of an enumeration are explained where it stands first.
                var explains = property.Type.IsEnum && explained.Add(property.Type);
                var says = property.Rules.Length > 0 || property.IsNullable || (property.Type != typeof(bool) && property.Type != typeof(string));
                Comment(says && !explains ? $"{summary} ({ConfigValue.Expected(property, withRules: true)})" : summary, indent + "# ");
                foreach (var name in explains ? Enum.GetNames(property.Type) : [])
                {
                    Comment($"{name.ToLowerInvariant()}: {Text(docs[$"F:{property.Type.FullName}.{name}"].Element("summary")!)}", indent + "#   ");
                }

                text.Append(indent).Append(property.Name).Append(": ").Append(ConfigValue.Format(value)).Append('\n');
            }
        }

        void Comment(string comment, string start)
        {
            var line = start;
            foreach (var word in comment.Split(' '))
            {
                if (line.Length + word.Length > Width)
                {
                    text.Append(line.TrimEnd()).Append('\n');
                    line = start;
                }

                line += word + " ";
            }

            text.Append(line.TrimEnd()).Append('\n');
        }
    }

    // References to other properties become their keys.
    private static string Text(XElement summary) => Blanks().Replace(string.Concat(summary.Nodes().Select(node => node switch
    {
        XText plain => plain.Value,
        XElement { Name.LocalName: "see" } see => ConfigProperty.SnakeCase(see.Attribute("cref")!.Value.Split('.')[^1]),
        XElement element => element.Value,
        _ => "",
    })), " ").Trim();

    private static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!System.IO.File.Exists(Path.Combine(folder!.FullName, "Moodle.sln")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
