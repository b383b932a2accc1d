/* Where power iteration is: at x(0), at x(t), or at the votes M x(t) on the way to the next. */

import { colourLimit } from "./spectral.js";

const CONVERGED = 1e-6; // residual
const MOST_ITERATIONS = 300;

export class Walk {
  constructor(matrix) {
    this.matrix = matrix;
    this.begin(null, NaN);
  }

  /* Takes another x(0), of which y of x(1) and the cosine are given; null where nothing is painted. t stays: while somebody paints,
     the iterations go on, from what is painted by now. */
  begin(first, startCosine) {
    this.found = first?.some((value) => value !== 0) ? [first] : [];
    this.startCosine = startCosine;
    if (!this.found.length) this.restart();
  }

  restart() {
    this.iteration = 0;
    this.voting = false;
  }

  /* y of x(t), from x(1) on. */
  get weights() {
    while (this.found.length < this.iteration) this.found.push(this.matrix.step(this.found.at(-1)));
    return this.found[this.iteration - 1];
  }

  get converged() {
    return this.iteration > 0 && this.matrix.residual(this.weights) <= CONVERGED;
  }

  get ended() {
    return !this.found.length || this.iteration >= MOST_ITERATIONS || this.converged;
  }

  /* On to x(t + 1). */
  iterate() {
    if (this.ended) return;
    this.iteration++;
    this.voting = false;
  }

  /* One stage on: x(t), M x(t), x(t + 1). M x(0) is left out: only Python has all of M. */
  next() {
    if (this.ended) return;
    if (this.iteration > 0 && !this.voting) this.voting = true;
    else this.iterate();
  }

  back() {
    if (this.voting || this.iteration < 2) {
      if (!this.voting) this.restart();
      this.voting = false;
    } else {
      this.iteration--;
      this.voting = true;
    }
  }

  /* The cosines of x(0), ..., x(t) to the exact eigenvector, without their signs. */
  get cosines() {
    const y = this.iteration > 0 && this.weights ? this.found.slice(0, this.iteration) : [];
    return [this.startCosine, ...y.map((each) => this.matrix.cosine(each))].map(Math.abs);
  }

  /* Whether -x is what is positive on the object. */
  get turned() {
    const { matrix, weights } = this;
    return matrix.cosine(this.voting ? matrix.product(weights) : weights) < 0;
  }

  /* What is shown from x(1) on, with the sign that is positive on the object: a function that gives it at the nodes from `begin`
     to `end`. It stays what it is when the walk goes on, since a canvas asks for frames when they are looked at. */
  get values() {
    const { matrix, voting, turned, weights } = this;
    const y = turned ? weights.map((each) => -each) : weights;
    return (begin, end, every) => (voting ? matrix.votes(y, begin, end, every) : matrix.labels(y, begin, end, every));
  }

  /* A range of colours about 0, beyond which few of the values lie. */
  get limit() {
    return colourLimit(this.values, this.matrix.nodes);
  }
}
