/* Elements of the page: how they are made, and the icons on buttons. */

const ICONS = {
  play: '<path d="M7 4.5v15l12.5-7.5z"/>',
  pause: '<path d="M6 4.5h4.2v15H6zM13.8 4.5H18v15h-4.2z"/>',
  back: '<path d="M17.5 5v14L8 12zM5.5 5h2v14h-2z"/>',
  next: '<path d="M6.5 5v14l9.5-7zM16.5 5h2v14h-2z"/>',
  smaller: '<path d="M5 10.9h14v2.2H5z"/>',
  larger: '<path d="M10.9 5h2.2v5.9H19v2.2h-5.9V19h-2.2v-5.9H5v-2.2h5.9z"/>',
  full: '<path d="M4 4h6v2.2H6.2V10H4zM14 4h6v6h-2.2V6.2H14zM4 14h2.2v3.8H10V20H4zM17.8 14H20v6h-6v-2.2h3.8z"/>',
  erase: '<path d="M14.6 4.3 20.4 10 12 18.5h7V20.6H8.2L3.6 16zM6.6 16l2.5 2.5h.5l3.2-3.2-3.6-3.6z"/>',
};

export function icon(name) {
  return `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${ICONS[name]}</svg>`;
}

export function make(tag, className, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export function iconButton(name, label, act) {
  const node = make("button", "ike-button", { type: "button", "aria-label": label, title: label });
  node.innerHTML = icon(name);
  node.addEventListener("click", act);
  return node;
}

export function textButton(text, label, act) {
  const node = make("button", "ike-button ike-text", { type: "button", "aria-label": label });
  node.textContent = text;
  node.addEventListener("click", act);
  return node;
}
