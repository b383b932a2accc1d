/* Power iteration on A = PMP in the page, without a kernel: one module that imports nothing.

   F's span has orthonormal columns Q (n x r), so P = QQ'. Python sends Q, MQ and K = Q'MQ (see solvers/spanned.py), and then

       y = (MQ)'x(0), y / |y|      is the first iteration: x(1) = P M x(0) = Q y, for whatever x(0) is painted
       y <- K y / |K y|            is each further one; |x| = |y|, as Q is orthonormal
       x = Q y                     are the labels, which are made for the frame that is looked at

   Eigenvectors are mixed likewise, as a weighted sum of columns. All columns come as int16 with one scale for each column: at most 1/65534 of the column's largest value is lost. */

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const lengthOf = (y) => Math.sqrt(dot(y, y));

/* y / |y|; 0 stays 0. */
export function unit(y) {
  const length = lengthOf(y) || 1;
  return y.map((value) => value / length);
}

export class SpannedMatrix {
  /* `columns` and `products`: bytes of r x n int16, column after column; `scales`: r numbers for each of the two; `small`: K;
     `exact`: v = Q e for the leading eigenvectors, their e. */
  constructor({ columns, products, scales, small, exact }) {
    this.columns = splitColumns(columns, scales[0]);
    this.products = splitColumns(products, scales[1]);
    this.small = small;
    this.exact = exact;
    this.nodes = this.columns[0].values.length;
  }

  /* y of x(1) = P M x(0) / |P M x(0)|. x(0) is any array of n numbers. */
  first(start) {
    return unit(innerProducts(this.products, start));
  }

  /* y of the next x: one iteration. */
  step(y) {
    return unit(this.product(y));
  }

  product(y) {
    return this.small.map((row) => dot(row, y));
  }

  /* x'Ax of a unit x = Q y. */
  rayleigh(y) {
    return dot(y, this.product(y));
  }

  /* |Ax - value x| / |value| of a unit x. */
  residual(y) {
    const value = this.rayleigh(y);
    return lengthOf(this.product(y).map((each, k) => each - value * y[k])) / Math.abs(value);
  }

  /* The cosine of x = Q y to the exact eigenvector; it has a sign. NaN where x is 0. */
  cosine(y) {
    return dot(y, this.exact[0]) / lengthOf(y);
  }

  /* The same for an x(0), which need not lie in the span. */
  startCosine(start) {
    return dot(innerProducts(this.columns, start), this.exact[0]) / lengthOf(start);
  }

  /* x = Q y of the nodes from `begin` to `end`, or of every few of them. */
  labels(y, begin = 0, end = this.nodes, every = 1) {
    return combine(this.columns, y, begin, end, every);
  }

  /* M x of these nodes. */
  votes(y, begin = 0, end = this.nodes, every = 1) {
    return combine(this.products, y, begin, end, every);
  }
}

/* r columns of n, from bytes of r x n int16 and r scales. */
export function splitColumns(bytes, scales) {
  const all = new Int16Array(bytes.slice().buffer); // a copy begins where 16-bit words may
  const n = all.length / scales.length;
  return scales.map((scale, k) => ({ values: all.subarray(k * n, (k + 1) * n), scale }));
}

/* The weighted sum of columns, at the nodes from `begin` to `end`, or at every few of them. */
export function combine(columns, weights, begin, end, every) {
  const sums = new Float32Array(Math.ceil((end - begin) / every));
  columns.forEach(({ values, scale }, k) => {
    const weight = weights[k] * scale;
    for (let i = 0, node = begin; i < sums.length; i++, node += every) sums[i] += weight * values[node];
  });
  return sums;
}

/* The inner product of each column with x, most of which is 0. */
function innerProducts(columns, x) {
  const there = [];
  for (let i = 0; i < x.length; i++) if (x[i] !== 0) there.push(i);
  return columns.map(({ values, scale }) => {
    let sum = 0;
    for (const i of there) sum += values[i] * x[i];
    return scale * sum;
  });
}

const SAMPLED_NODES = 20000; // for the range of the colours
const WITHIN = 0.998; // of them, that lie in it

/* A range of colours about 0, beyond which few of the values lie: `values(begin, end, every)` gives those of nodes. */
export function colourLimit(values, nodes) {
  const sizes = values(0, nodes, Math.max(1, Math.floor(nodes / SAMPLED_NODES))).map(Math.abs).sort();
  return sizes[Math.floor(WITHIN * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
}
