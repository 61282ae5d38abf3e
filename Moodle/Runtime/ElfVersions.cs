using System.Buffers.Binary;
using System.Text;

namespace Moodle.Runtime;

/// <summary>
/// The symbol versions that a 64-bit little-endian ELF library needs (<c>.gnu.version_r</c>) and defines (<c>.gnu.version_d</c>).
/// Layout: System V gABI, chapter 4, and the LSB's chapter on symbol versioning.
/// </summary>
internal static class ElfVersions
{
    private const uint SectionVersionDefinitions = 0x6ffffffd;
    private const uint SectionVersionNeeds = 0x6ffffffe;
    private const ushort FlagWeak = 2;

    /// <summary>The versions defined by the library, in file order.</summary>
    /// <exception cref="InvalidDataException">The bytes are no such ELF file.</exception>
    public static IReadOnlyList<string> Defined(ReadOnlySpan<byte> elf)
    {
        var names = new List<string>();
        if (!TryFindSection(elf, SectionVersionDefinitions, out var section, out var strings))
        {
            return names;
        }
        // Elf64_Verdef: version, flags, index, count (u16 each), hash, offset of the first name, offset of the next entry (u32 each).
        for (long at = 0; ;)
        {
            var entry = Slice(section, at, 20);
            var name = Slice(section, at + U32(entry, 12), 8);
            names.Add(Text(strings, U32(name, 0)));
            var next = U32(entry, 16);
            if (next == 0)
            {
                return names;
            }
            at += next;
        }
    }

    /// <summary>
    /// Marks one needed version as weak, in place: the loader then goes on where the version is missing, and only a call of a
    /// symbol that has it would fail.
    /// </summary>
    /// <returns>Whether the library needs that version.</returns>
    /// <exception cref="InvalidDataException">The bytes are no such ELF file.</exception>
    public static bool MakeWeak(Span<byte> elf, string version)
    {
        if (!TryFindSection(elf, SectionVersionNeeds, out var section, out var strings))
        {
            return false;
        }
        var found = false;
        // Elf64_Verneed: version, count (u16), file name, offset of the first need, offset of the next entry (u32).
        for (long at = 0; ;)
        {
            var file = Slice(section, at, 16);
            var needAt = at + U32(file, 8);
            for (var left = U16(file, 2); left > 0; left--)
            {
                // Elf64_Vernaux: hash (u32), flags, index (u16), name, offset of the next need (u32).
                var need = Slice(section, needAt, 16);
                if (Text(strings, U32(need, 8)) == version)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(need[4..], (ushort)(U16(need, 4) | FlagWeak));
                    found = true;
                }
                needAt += U32(need, 12);
            }
            var next = U32(file, 12);
            if (next == 0)
            {
                return found;
            }
            at += next;
        }
    }

    private static bool TryFindSection(ReadOnlySpan<byte> elf, uint type, out ReadOnlySpan<byte> section, out ReadOnlySpan<byte> strings)
    {
        var found = TryFind(elf, type, out var at, out var size, out var stringsAt, out var stringsSize);
        section = found ? Slice(elf, at, size) : default;
        strings = found ? Slice(elf, stringsAt, stringsSize) : default;
        return found;
    }

    private static bool TryFindSection(Span<byte> elf, uint type, out Span<byte> section, out ReadOnlySpan<byte> strings)
    {
        var found = TryFind(elf, type, out var at, out var size, out var stringsAt, out var stringsSize);
        section = found ? Slice(elf, at, size) : default;
        strings = found ? Slice(elf, stringsAt, stringsSize) : default;
        return found;
    }

    private static bool TryFind(ReadOnlySpan<byte> elf, uint type, out long at, out long size, out long stringsAt, out long stringsSize)
    {
        ReadOnlySpan<byte> magic = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];
        if (!elf.StartsWith(magic))
        {
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        }
        var header = Slice(elf, 0, 64);
        var (table, entrySize, count) = (I64(header, 0x28), U16(header, 0x3a), U16(header, 0x3c));
        (at, size, stringsAt, stringsSize) = (0, 0, 0, 0);
        for (var i = 0; i < count; i++)
        {
            var entry = Slice(elf, checked(table + (long)i * entrySize), 64);
            if (U32(entry, 4) != type)
            {
                continue;
            }
            var link = Slice(elf, checked(table + U32(entry, 40) * (long)entrySize), 64);
            (at, size) = (I64(entry, 24), I64(entry, 32));
            (stringsAt, stringsSize) = (I64(link, 24), I64(link, 32));
            return true;
        }
        return false;
    }

    private static string Text(ReadOnlySpan<byte> strings, uint at)
    {
        var rest = Slice(strings, at, strings.Length - at);
        var end = rest.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? rest : rest[..end]);
    }

    private static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> of, long at, long length)
    {
        Check(of.Length, at, length);
        return of.Slice((int)at, (int)length);
    }

    private static Span<byte> Slice(Span<byte> of, long at, long length)
    {
        Check(of.Length, at, length);
        return of.Slice((int)at, (int)length);
    }

    private static void Check(long total, long at, long length)
    {
        if (at < 0 || length < 0 || at > total || length > total - at)
        {
            throw new InvalidDataException("the ELF file is cut off or malformed");
        }
    }

    private static ushort U16(ReadOnlySpan<byte> of, int at) => BinaryPrimitives.ReadUInt16LittleEndian(of[at..]);

    private static uint U32(ReadOnlySpan<byte> of, int at) => BinaryPrimitives.ReadUInt32LittleEndian(of[at..]);

    private static long I64(ReadOnlySpan<byte> of, int at) => BinaryPrimitives.ReadInt64LittleEndian(of[at..]);
}
