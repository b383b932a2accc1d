/* What anywidget loads for a mixture of eigenvectors. */

import { renderMixture } from "./live_mixture.js";

export default { render: renderMixture };
