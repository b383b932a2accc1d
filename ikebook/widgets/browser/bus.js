/* Canvases in one page send each other messages here, with or without a kernel. There is one bus in the page, however often
   this module is loaded. */

const bus = (globalThis[Symbol.for("ikebook.bus")] ??= new EventTarget());

export function publish(type, detail) {
  bus.dispatchEvent(new CustomEvent(type, { detail }));
}

/* Gives what ends the subscription. */
export function subscribe(type, act) {
  const listener = ({ detail }) => act(detail);
  bus.addEventListener(type, listener);
  return () => bus.removeEventListener(type, listener);
}
