'use strict';
(() => {
  const byId = id => document.getElementById(id);
  const make = (name, text, className) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const ask = async (path, values) => {
    const answer = await fetch(`${path}?${new URLSearchParams(values)}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };
  const status = text => { byId('explore-status').textContent = text; };
  let chosen = null, last = 0;

  const guard = async work => {
    const mine = ++last;
    try { await work(() => mine === last); } catch (error) { status(error.message); }
  };

  const picture = entity => {
    if (!entity.pictures) return document.createTextNode('');
    const image = make('img', undefined, 'picture');
    image.src = `/picture?entity=${entity.id}&n=0`;
    image.alt = '';
    image.loading = 'lazy';
    return image;
  };

  const link = entity => {
    const button = make('button', entity.name);
    button.type = 'button';
    button.addEventListener('click', () => choose(entity));
    return button;
  };

  const search = () => guard(async current => {
    const found = await ask('/api/entities', { q: byId('entity-search').value });
    if (!current()) return;
    byId('entity-found').replaceChildren(...found.map(entity => {
      const item = make('li');
      item.append(picture(entity), link(entity));
      return item;
    }));
    status(`${found.length} entities found`);
  });

  const choose = entity => {
    chosen = entity;
    byId('entity-search').value = entity.name;
    byId('entity-found').replaceChildren();
    return guard(async current => {
      const about = await ask('/api/entity', { id: entity.id });
      if (!current()) return;
      const box = byId('entity');
      box.replaceChildren(make('h3', about.name), make('p', about.description ?? ''));
      for (let n = 0; n < Math.min(4, about.pictures); n++) {
        const image = make('img');
        image.src = `/picture?entity=${about.id}&n=${n}`;
        image.alt = `Picture ${n + 1} of ${about.name}`;
        box.append(image, ' ');
      }
      const list = make('ul');
      for (const fact of about.facts) {
        const item = make('li');
        if (fact.side === 'tail') item.append(`${about.name} — ${fact.relation_name} — `, link(fact.other));
        else item.append(link(fact.other), ` — ${fact.relation_name} — ${about.name}`);
        list.append(item);
      }
      const details = make('details');
      details.append(make('summary', `${about.facts.length} of ${about.fact_count} training facts`), list);
      box.append(details);
      await answers(current);
    });
  };

  const answers = async current => {
    if (!chosen) return;
    const relation = byId('relation-choice').value, asked = byId('side-choice').value;
    const started = performance.now();
    const result = await ask('/api/answers', { entity: chosen.id, relation, asked, top: 10 });
    if (!current()) return;
    const body = byId('answers').tBodies[0];
    body.replaceChildren(...result.answers.map(answer => {
      const row = make('tr', undefined, answer.known ? 'known' : '');
      const name = make('th');
      name.scope = 'row';
      name.append(picture(answer), link(answer));
      const shares = make('td'), bar = make('span', undefined, 'bar');
      const parts = Object.entries(answer.shares);
      parts.forEach(([, share], i) => {
        const piece = make('i', undefined, `s${i}`);
        piece.style.width = `${100 * share}%`;
        bar.append(piece);
      });
      bar.setAttribute('aria-hidden', 'true');
      shares.append(bar, ` ${parts.map(([part, share]) => `${part} ${Math.round(100 * share)} %`).join(', ')}`);
      row.append(make('td', answer.rank, 'n'), name, make('td', answer.score.toFixed(3), 'n'), make('td', answer.probability.toFixed(4), 'n'), shares, make('td', answer.known ? `known: ${answer.known}` : ''));
      return row;
    }));
    const relationName = byId('relation-choice').selectedOptions[0].textContent;
    byId('answers').caption.firstChild.textContent = asked === 'tail' ? `${chosen.name} — ${relationName} — ?` : `? — ${relationName} — ${chosen.name}`;
    status(`${result.answers.length} answers in ${Math.round(performance.now() - started)} ms`);
  };

  let typing;
  byId('entity-search').addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(search, 120); });
  for (const id of ['relation-choice', 'side-choice']) byId(id).addEventListener('change', () => guard(answers));
  guard(async current => {
    const relations = await ask('/api/relations', {});
    byId('relation-choice').replaceChildren(...relations.map(relation => new Option(relation.name, relation.id)));
    const found = await ask('/api/entities', { q: '' });
    if (current() && found.length) await choose(found[0]);
  });
})();
