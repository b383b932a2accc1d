/* What anywidget loads for noise whose levels have been measured. */

import { renderNoise } from "./live_noise.js";

export default { render: renderNoise };
