// Of zoo/report/report.py: the slider of the samples, and values under the pointer.
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const film = all('.film button'), scrub = document.querySelector('.scrub');
if (scrub) {
  const [button, range] = scrub.children, picture = document.querySelector('#stage');
  const step = document.querySelector('.samples output');
  let timer = 0;
  const show = i => {
    picture.src = film[i].firstChild.src;
    step.textContent = film[i].dataset.step;
    range.value = i;
    range.setAttribute('aria-valuetext', 'step ' + film[i].dataset.step);
    film.forEach((b, j) => j == i ? b.setAttribute('aria-current', true)
                                  : b.removeAttribute('aria-current'));
    const strip = film[i].closest('ol'), left = film[i].parentNode.offsetLeft;
    strip.scrollLeft = left - (strip.clientWidth - film[i].offsetWidth) / 2;
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = 'Play'; };
  button.onclick = () => {
    if (timer) return stop();
    if (+range.value == film.length - 1) show(0);
    button.textContent = 'Pause';
    timer = setInterval(() => {
      show(+range.value + 1);
      if (+range.value == film.length - 1) stop();
    }, 350);
  };
  range.oninput = () => { stop(); show(+range.value); };
  film.forEach((b, i) => b.onclick = () => { stop(); show(i); });
  scrub.hidden = false;
  show(film.length - 1);
}
for (const chart of all('.chart')) {
  const { range: [left, right], curves } = JSON.parse(chart.dataset.chart);
  const svg = chart.querySelector('svg'), cursor = chart.querySelector('.cursor');
  const outputs = all('li output', chart), at = chart.querySelector('figcaption output');
  const before = outputs.map(o => o.textContent);
  svg.onpointermove = svg.onpointerdown = event => {
    const box = svg.getBoundingClientRect();
    const x = left + (right - left) * (event.clientX - box.left) / box.width;
    let near = x;
    curves.forEach(([xs, ys], i) => {
      const k = xs.reduce((best, v, j) => Math.abs(v - x) < Math.abs(xs[best] - x) ? j : best, 0);
      near = xs[k];
      outputs[i].textContent = +ys[k].toPrecision(3);
    });
    const place = 100 * (near - left) / (right - left) + '%';
    cursor.setAttribute('x1', place);
    cursor.setAttribute('x2', place);
    cursor.setAttribute('visibility', 'visible');
    at.textContent = Math.round(near).toLocaleString('en');
  };
  svg.onpointerleave = () => {
    outputs.forEach((o, i) => o.textContent = before[i]);
    cursor.setAttribute('visibility', 'hidden');
    at.textContent = '';
  };
}
