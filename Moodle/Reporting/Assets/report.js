'use strict';
(() => {
  const byId = id => document.getElementById(id);

  byId('theme').addEventListener('click', () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  });

  // Numbers by value, a missing one last in either direction; everything else as text.
  for (const table of document.querySelectorAll('table.sortable')) {
    const body = table.tBodies[0];
    table.querySelectorAll('thead button').forEach(button => button.addEventListener('click', () => {
      const heading = button.closest('th'), column = heading.cellIndex;
      const numeric = body.rows.length > 0 && body.rows[0].cells[column].classList.contains('n');
      const before = heading.getAttribute('aria-sort');
      const up = before ? before === 'descending' : !numeric;
      for (const other of table.querySelectorAll('thead th')) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const key = row => row.cells[column].textContent.trim();
      const rows = [...body.rows].map(row => ({ row, text: key(row), number: parseFloat(key(row)) }));
      rows.sort((a, b) => numeric
        ? (isNaN(a.number) - isNaN(b.number)) || (up ? 1 : -1) * (a.number - b.number)
        : (up ? 1 : -1) * a.text.localeCompare(b.text));
      body.append(...rows.map(entry => entry.row));
    }));
  }

  // A box and a list that hide what does not fit, and a line that says how much is left.
  const filter = (box, list, count, items, text, kind, noun) => {
    if (!byId(box)) return;
    const all = [...document.querySelectorAll(items)].map(item => ({ item, text: text(item).toLowerCase(), kind: kind(item) }));
    const apply = () => {
      const words = byId(box).value.toLowerCase().split(/\s+/).filter(word => word), wanted = byId(list).value;
      let shown = 0;
      for (const entry of all) {
        const fits = (!wanted || entry.kind === wanted) && words.every(word => entry.text.includes(word));
        entry.item.hidden = !fits;
        shown += fits;
      }
      byId(count).textContent = `${shown} of ${all.length} ${noun}`;
    };
    byId(box).addEventListener('input', apply);
    byId(list).addEventListener('change', apply);
    apply();
  };
  filter('relation-filter', 'category-filter', 'relation-count', '#relation-table tbody tr',
    row => row.cells[0].textContent, row => row.cells[1].textContent.trim(), 'relations');
  filter('example-filter', 'kind-filter', 'example-count', '.example', item => item.textContent, item => item.dataset.kind, 'queries');

  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details:not([open]):not(.example)')];
    for (const one of opened) one.open = true;
  });
  addEventListener('afterprint', () => { for (const one of opened) one.open = false; });
})();
