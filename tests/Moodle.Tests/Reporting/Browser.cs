using Microsoft.Playwright;

namespace Moodle.Tests.Reporting;

/// <summary>A headless Chromium of the system.</summary>
internal sealed class Browser : IDisposable
{
    private static readonly string[] s_places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    private static readonly string[] s_options =
        ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private Browser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    /// <summary>Starts it. The tests are skipped where there is none.</summary>
    public static async Task<Browser> StartAsync()
    {
        var program = s_places.FirstOrDefault(File.Exists);
        if (program is null)
        {
            Assert.Inconclusive($"no Chromium is installed ({string.Join(", ", s_places)}); 'apt-get install chromium' brings one");
        }

        var playwright = await Playwright.CreateAsync();
        return new Browser(playwright, await playwright.Chromium.LaunchAsync(new() { ExecutablePath = program, Headless = true, Args = s_options }));
    }

    /// <summary>Opens a page of its own.</summary>
    /// <param name="address">What is opened.</param>
    /// <param name="width">Width of the window.</param>
    /// <param name="dark">Whether the user prefers dark.</param>
    public async Task<WatchedPage> OpenAsync(Uri address, int width = 1280, bool dark = false)
    {
        var context = await _browser.NewContextAsync(new() { ViewportSize = new() { Width = width, Height = 900 }, ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light });
        var page = new WatchedPage(context, await context.NewPageAsync(), address);
        await page.Page.GotoAsync(address.AbsoluteUri);
        return page;
    }

    public void Dispose()
    {
        _browser.CloseAsync().GetAwaiter().GetResult();
        _playwright.Dispose();
    }
}

/// <summary>A page that notes what a page must not do.</summary>
internal sealed class WatchedPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _problems = [];

    public WatchedPage(IBrowserContext context, IPage page, Uri home)
    {
        (_context, Page) = (context, page);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                _problems.Add($"console: {message.Text}");
            }
        };
        page.PageError += (_, error) => _problems.Add($"error: {error}");
        page.Dialog += (_, dialog) => _problems.Add($"dialog: {dialog.Message}");
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith("data:", StringComparison.Ordinal) && new Uri(request.Url).Authority != home.Authority)
            {
                _problems.Add($"request: {request.Url}");
            }
        };
    }

    public IPage Page { get; }

    /// <summary>The value of a JavaScript expression.</summary>
    public Task<T> ValueAsync<T>(string expression) => Page.EvaluateAsync<T>(expression);

    /// <summary>Scrolls to a part of the page and takes a picture of the window.</summary>
    /// <param name="file">A PNG file.</param>
    /// <param name="part">What comes to the top; nothing for the top of the page.</param>
    public async Task ShowAsync(string file, string? part = null)
    {
        if (part is not null)
        {
            await Page.EvaluateAsync("part => document.querySelector(part).scrollIntoView()", part);
        }

        await Page.ScreenshotAsync(new() { Path = file });
    }

    /// <summary>Closes the page; fails where it did what it must not.</summary>
    public async ValueTask DisposeAsync()
    {
        await _context.CloseAsync();
        Assert.IsEmpty(_problems, string.Join('\n', _problems));
    }
}
