using System.Reflection;

namespace Moodle.Configuration;

/// <summary>A key that the configuration knows.</summary>
/// <param name="Path">Its full path, such as <c>text.encoder.layers</c>.</param>
/// <param name="Expected">What it takes, in words: type, rule or the list of names.</param>
/// <param name="Default">Its default as YAML writes it.</param>
/// <param name="Property">The record's property behind it.</param>
public sealed record ConfigKey(string Path, string Expected, string Default, PropertyInfo Property);
