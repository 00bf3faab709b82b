/**
 * Least squares for many samples of few features: the normal equations, added up sample by sample, so that
 * the samples are never held together.
 */
export class LeastSquares {
  readonly features: number;
  readonly outputs: number;
  private readonly xx: Float64Array;
  private readonly xy: Float64Array;
  private samples = 0;

  constructor(features: number, outputs: number) {
    this.features = features;
    this.outputs = outputs;
    this.xx = new Float64Array(features * features);
    this.xy = new Float64Array(features * outputs);
  }

  add(x: Float64Array, y: Float64Array): void {
    const { features, outputs, xx, xy } = this;
    for (let i = 0; i < features; i++) {
      const xi = x[i];
      if (xi === 0) continue;
      for (let j = 0; j <= i; j++) xx[i * features + j] += xi * x[j];
      for (let k = 0; k < outputs; k++) xy[i * outputs + k] += xi * y[k];
    }
    this.samples++;
  }

  /**
   * Weights (features, outputs) of least ||Xw - y||^2 + ridge * ||Dw||^2, where D are the features' norms: the
   * ridge is relative, so units do not matter. It keeps equal or absent features from breaking the solution.
   */
  solve(ridge = 1e-7): Float64Array {
    const { features: n, outputs, xx, xy } = this;
    if (this.samples === 0) throw new RangeError("least squares without samples");
    const scale = Float64Array.from({ length: n }, (_, i) => 1 / Math.sqrt(xx[i * n + i] || 1));
    // Cholesky, L L' = S (X'X) S + ridge I with S = D^-1: unit diagonal, well conditioned.
    const l = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let s = xx[i * n + j] * scale[i] * scale[j];
        if (i === j) s += s === 0 ? 1 : ridge;
        for (let k = 0; k < j; k++) s -= l[i * n + k] * l[j * n + k];
        l[i * n + j] = i === j ? Math.sqrt(Math.max(s, ridge * 1e-3)) : s / l[j * n + j];
      }
    const w = new Float64Array(n * outputs);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < n; i++) {
        let s = xy[i * outputs + o] * scale[i];
        for (let k = 0; k < i; k++) s -= l[i * n + k] * w[k * outputs + o];
        w[i * outputs + o] = s / l[i * n + i];
      }
      for (let i = n - 1; i >= 0; i--) {
        let s = w[i * outputs + o];
        for (let k = i + 1; k < n; k++) s -= l[k * n + i] * w[k * outputs + o];
        w[i * outputs + o] = s / l[i * n + i];
      }
    }
    for (let i = 0; i < n; i++) for (let o = 0; o < outputs; o++) w[i * outputs + o] *= scale[i];
    return w;
  }
}
