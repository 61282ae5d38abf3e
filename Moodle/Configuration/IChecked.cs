namespace Moodle.Configuration;

/// <summary>A record whose values depend on each other; the loader checks it once all values are set.</summary>
public interface IChecked
{
    /// <summary>Every broken relation between the values.</summary>
    /// <returns>
    /// The key to blame, as it stands in YAML and relative to this record (<c>hidden_size</c>), and what must hold
    /// (<c>must be a multiple of heads (4)</c>).
    /// </returns>
    IEnumerable<(string Key, string Problem)> Check();
}
