/* What anywidget loads for power iteration in the page. */

import { renderIteration } from "./live_iteration.js";

export default { render: renderIteration };
