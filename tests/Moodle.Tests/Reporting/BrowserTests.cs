using System.Text.Json;
using Moodle.Tests.Cli;

namespace Moodle.Tests.Reporting;

/// <summary>The report and the explorer in a real browser: no console error, no request to any other host, and everything that can be pressed.</summary>
[TestClass]
public sealed class BrowserTests
{
    private static Browser s_browser = null!;
    private static ExplorerProcess s_explorer = null!;

    private static Uri Report => new(s_explorer.Run["report.html"]);

    private static Uri Comparison => new(Path.Combine(s_explorer.Run.Graph["compared"], "report.html"));

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        s_browser = await Browser.StartAsync();
        var run = new ReportRun();
        s_explorer = new ExplorerProcess(run);
        var other = run.Train("unguided", "guidance.enabled=false", "training.unimodal.epochs=1");
        CommandLine.Done("report", run.Folder, other, run.Folder, "--out", run.Graph["compared"]);
    }

    [ClassCleanup]
    public static void Stop()
    {
        s_browser?.Dispose();
        s_explorer?.Dispose();
    }

    [TestMethod]
    public async Task Relations_AreSortedAndFiltered()
    {
        await using var page = await s_browser.OpenAsync(Report);
        Task<string[]> Column(int column) => page.ValueAsync<string[]>($"[...document.querySelectorAll('#relation-table tbody tr')].filter(row => !row.hidden).map(row => row.cells[{column}].textContent)");
        await page.Page.Locator("#relation-table thead button", new() { HasTextString = "fusion" }).First.ClickAsync();
        var sorted = (await Column(3)).Select(double.Parse).ToArray();
        CollectionAssert.AreEqual(sorted.OrderDescending().ToArray(), sorted);
        Assert.AreEqual("descending", await page.ValueAsync<string>("document.querySelectorAll('#relation-table th')[3].getAttribute('aria-sort')"));
        await page.Page.Locator("#relation-table thead button").First.PressAsync("Enter");
        var names = await Column(0);
        Assert.HasCount(5, names);
        Assert.IsTrue(names[0].StartsWith("near", StringComparison.Ordinal) && names[^1].StartsWith("trades", StringComparison.Ordinal));
        await page.Page.FillAsync("#relation-filter", "ROAD");
        Assert.HasCount(1, await Column(0));
        Assert.AreEqual("1 of 5 relations", await page.Page.TextContentAsync("#relation-count"));
        await page.Page.FillAsync("#relation-filter", "");
        await page.Page.SelectOptionAsync("#category-filter", (await Column(1))[0]);
        Assert.IsTrue((await Column(1)).Distinct().Count() == 1);
    }

    [TestMethod]
    public async Task Comparison_ShowsWhatDiffers_SortedAndFiltered()
    {
        await using var page = await s_browser.OpenAsync(Comparison);
        Task<string[]> Column(string table, int column) => page.ValueAsync<string[]>($"[...document.querySelectorAll('#{table} tbody tr')].filter(row => !row.hidden).map(row => row.cells[{column}].textContent)");
        Task Sort(string table, string heading) => page.Page.Locator($"#{table} thead button", new() { HasTextString = heading }).First.ClickAsync();

        // The ablation table: run, MRR, its difference with interval and p, and a column for each key that is not alike.
        CollectionAssert.AreEqual(new[] { "run", "unguided", "run (2)" }, await Column("ablation-table", 0));
        CollectionAssert.AreEqual(new[] { "run", "MRR", "difference from run", "95 %", "p", "guidance.enabled", "training.unimodal.epochs" },
            await page.ValueAsync<string[]>("[...document.querySelectorAll('#ablation-table thead th')].map(one => one.textContent)"));
        CollectionAssert.AreEqual(new[] { "true", "false", "true" }, await Column("ablation-table", 5));
        Assert.AreEqual(2, await page.ValueAsync<int>("document.querySelectorAll('#ablation-table td.changed').length"));
        await Sort("ablation-table", "difference");
        Assert.AreEqual("–", (await Column("ablation-table", 2))[^1], "the first run has no difference");
        await Sort("ablation-table", "guidance.enabled");
        CollectionAssert.AreEqual(new[] { "false", "true", "true" }, await Column("ablation-table", 5));

        await Sort("result-table", "MRR");
        var mrr = (await Column("result-table", 2)).Select(text => double.Parse(text.Trim().Split(' ')[0])).ToArray();
        CollectionAssert.AreEqual(mrr.OrderDescending().ToArray(), mrr);
        Assert.HasCount(12, mrr);

        await Sort("relation-table", "unguided − run");
        var gains = (await Column("relation-table", 6)).Select(double.Parse).ToArray();
        CollectionAssert.AreEqual(gains.OrderDescending().ToArray(), gains);
        await page.Page.FillAsync("#relation-filter", "ROAD");
        Assert.HasCount(1, await Column("relation-table", 0));
        await page.Page.FillAsync("#relation-filter", "");
        await page.Page.SelectOptionAsync("#category-filter", (await Column("relation-table", 1))[0]);
        Assert.HasCount(1, (await Column("relation-table", 1)).Distinct());
        Assert.AreEqual(2, await page.ValueAsync<int>("document.querySelectorAll('#ablation svg circle').length"), "an interval for each run but the first");
    }

    [TestMethod]
    public async Task Examples_AreSearched()
    {
        await using var page = await s_browser.OpenAsync(Report);
        Task<int> Shown() => page.ValueAsync<int>("[...document.querySelectorAll('.example')].filter(one => !one.hidden).length");
        var all = await Shown();
        await page.Page.FillAsync("#example-filter", "town 12");
        var found = await Shown();
        Assert.IsTrue(found > 0 && found < all, $"{found} of {all}");
        Assert.AreEqual($"{found} of {all} queries", await page.Page.TextContentAsync("#example-count"));
        await page.Page.FillAsync("#example-filter", "");
        await page.Page.SelectOptionAsync("#kind-filter", "win");
        Assert.IsTrue(await Shown() is > 0 and <= 10);
        Assert.AreNotEqual("owned", await page.Page.TitleAsync());
        Assert.IsTrue(await page.ValueAsync<bool>("[...document.querySelectorAll('.picture')].some(one => getComputedStyle(one).backgroundImage.startsWith('url(\"data:image/webp'))"));
    }

    [TestMethod]
    public async Task LightAndDark_FollowTheUser()
    {
        const string Background = "getComputedStyle(document.body).backgroundColor";
        foreach (var address in new[] { Report, Comparison })
        {
            await using var dark = await s_browser.OpenAsync(address, dark: true);
            await using var light = await s_browser.OpenAsync(address);
            Assert.AreEqual("rgb(20, 24, 29)", await dark.ValueAsync<string>(Background));
            Assert.AreEqual("rgb(255, 255, 255)", await light.ValueAsync<string>(Background));
            await dark.Page.ClickAsync("#theme");
            await light.Page.ClickAsync("#theme");
            Assert.AreEqual("rgb(255, 255, 255)", await dark.ValueAsync<string>(Background));
            Assert.AreEqual("rgb(20, 24, 29)", await light.ValueAsync<string>(Background));
        }
    }

    [TestMethod]
    public async Task Phone_ScrollsDownAndNotAside()
    {
        foreach (var address in new[] { Report, Comparison, s_explorer.Address })
        {
            await using var page = await s_browser.OpenAsync(address, width: 390);
            Assert.IsTrue(await page.ValueAsync<int>("document.documentElement.scrollWidth") <= 390, address.AbsoluteUri);
            // A table that is wider scrolls within itself, and the names of its rows stay.
            var places = await page.ValueAsync<double[]>("""
                (() => { const box = document.querySelector('#result-table').parentElement, left = box.querySelector('tbody th').getBoundingClientRect().left;
                box.scrollLeft = 200; return [box.scrollLeft, left, box.querySelector('tbody th').getBoundingClientRect().left]; })()
                """);
            Assert.AreEqual(200, places[0]);
            Assert.AreEqual(places[1], places[2], 0.5);
        }
    }

    [TestMethod]
    public async Task Paper_HoldsTheTables()
    {
        // A4 between margins of a centimetre.
        const int Width = 718;
        foreach (var address in new[] { Report, Comparison })
        {
            await using var page = await s_browser.OpenAsync(address, Width, dark: true);
            await page.Page.EmulateMediaAsync(new() { Media = Microsoft.Playwright.Media.Print });
            await page.Page.EvaluateAsync("document.querySelectorAll('details').forEach(one => { one.open = true; })");
            Assert.AreEqual("rgb(255, 255, 255)", await page.ValueAsync<string>("getComputedStyle(document.body).backgroundColor"));
            var wide = await page.ValueAsync<string[]>($"[...document.querySelectorAll('table')].filter(one => one.getBoundingClientRect().right > {Width}).map(one => one.caption.textContent)");
            Assert.IsEmpty(wide, string.Join('\n', wide));
        }
    }

    [TestMethod]
    public async Task Explorer_IsWalked()
    {
        await using var page = await s_browser.OpenAsync(s_explorer.Address);
        var answers = page.Page.Locator("#answers tbody tr");
        await answers.Nth(9).WaitForAsync();
        await page.Page.FillAsync("#entity-search", "/t/08");
        await page.Page.Locator("#entity-found button").First.ClickAsync();
        await page.Page.Locator("#entity h3", new() { HasTextString = "Town 8" }).WaitForAsync();
        await page.Page.Locator("#answers caption", new() { HasTextString = "Town 8" }).WaitForAsync();
        Assert.IsTrue(await page.ValueAsync<bool>("document.querySelector('#entity img') !== null"));

        await page.Page.SelectOptionAsync("#relation-choice", new Microsoft.Playwright.SelectOptionValue { Label = "rules" });
        await page.Page.SelectOptionAsync("#side-choice", "head");
        await page.Page.Locator("#answers caption", new() { HasTextString = "? — rules — Town 8" }).WaitForAsync();
        var first = answers.First.Locator("button");
        var name = (await first.TextContentAsync())!;
        await first.ClickAsync();
        await page.Page.Locator("#answers caption", new() { HasTextString = $"? — rules — {name}" }).WaitForAsync();
        await page.Page.Locator("#entity summary").ClickAsync();
        await page.Page.Locator("#entity li button").First.ClickAsync();
        await page.Page.Locator("#explore-status", new() { HasTextString = "10 answers" }).WaitForAsync();
        Assert.AreEqual(0, await page.ValueAsync<int>("document.querySelectorAll('#explore script').length"));
    }

    /// <summary>
    /// Draws and prints the pages: those of the tests' run, or, for the pictures of the documentation, of the run that MOODLE_SCREENSHOT_RUN
    /// and the comparison that MOODLE_SCREENSHOT_COMPARISON names, into the folder that MOODLE_SCREENSHOTS names.
    /// </summary>
    [TestMethod]
    public async Task Pages_AreDrawnAndPrinted()
    {
        var other = Environment.GetEnvironmentVariable("MOODLE_SCREENSHOT_RUN") is { Length: > 0 } named ? named : null;
        using var explorer = other is null ? null : new ExplorerProcess(other);
        var folder = Environment.GetEnvironmentVariable("MOODLE_SCREENSHOTS") is { Length: > 0 } given ? given : s_explorer.Run.Graph["pictures"];
        var report = other is null ? Report : new Uri(Path.Combine(other, "report.html"));
        var comparison = Environment.GetEnvironmentVariable("MOODLE_SCREENSHOT_COMPARISON") is { Length: > 0 } compared ? new Uri(Path.Combine(compared, "report.html")) : Comparison;
        Directory.CreateDirectory(folder);
        string File(string name) => Path.Combine(folder, name);
        await using (var page = await s_browser.OpenAsync(report))
        {
            await page.ShowAsync(File("report.png"), "#results");
            await page.ShowAsync(File("report-training.png"), "#training");
            var printed = await page.Page.PdfAsync();
            Assert.IsGreaterThan(20_000, printed.Length);
        }

        await using (var page = await s_browser.OpenAsync(report, dark: true))
        {
            await page.ShowAsync(File("report-dark.png"), "#examples");
        }

        await using (var page = await s_browser.OpenAsync(report, width: 390))
        {
            await page.ShowAsync(File("report-phone.png"), "#training");
        }

        await using (var page = await s_browser.OpenAsync(comparison))
        {
            await page.ShowAsync(File("report-comparison.png"), "#ablation");
        }

        await using (var page = await s_browser.OpenAsync((explorer ?? s_explorer).Address))
        {
            if (other is not null)
            {
                await page.Page.FillAsync("#entity-search", "Peru");
                await page.Page.Locator("#entity-found button", new() { HasTextString = "Peru" }).First.ClickAsync();
                await page.Page.SelectOptionAsync("#relation-choice", new Microsoft.Playwright.SelectOptionValue { Label = "shares a land border with" });
                await page.Page.Locator("#answers caption", new() { HasTextString = "Peru — shares" }).WaitForAsync();
            }

            await page.Page.Locator("#answers tbody tr").Nth(9).WaitForAsync();
            await page.Page.WaitForLoadStateAsync(Microsoft.Playwright.LoadState.NetworkIdle);
            await page.ShowAsync(File("explorer.png"));
        }

        Assert.IsTrue(Directory.GetFiles(folder, "*.png").Length >= 6);
    }

    [TestMethod]
    public async Task Pages_HaveNoSeriousViolationOfAccessibility()
    {
        if (Environment.GetEnvironmentVariable("MOODLE_AXE") is not { Length: > 0 } file || !File.Exists(file))
        {
            Assert.Inconclusive("MOODLE_AXE names no axe.min.js; 'npm pack axe-core' brings it");
            return;
        }

        var axe = await File.ReadAllTextAsync(file);
        foreach (var address in new[] { Report, Comparison, s_explorer.Address })
        {
            foreach (var dark in new[] { false, true })
            {
                await using var page = await s_browser.OpenAsync(address, dark: dark);
                if (address == s_explorer.Address)
                {
                    await page.Page.Locator("#answers tbody tr").Nth(9).WaitForAsync();
                }

                await page.Page.EvaluateAsync(axe);
                var found = await page.ValueAsync<JsonElement>("axe.run().then(result => result.violations.map(one => `${one.impact}: ${one.id} (${one.nodes.length}): ${one.nodes[0].html.slice(0, 200)}`))");
                string[] serious = [.. found.EnumerateArray().Select(one => one.GetString()!).Where(one => one.StartsWith("serious", StringComparison.Ordinal) || one.StartsWith("critical", StringComparison.Ordinal))];
                Assert.IsEmpty(serious, $"{address}, dark {dark}: {string.Join('\n', serious)}");
            }
        }
    }
}
