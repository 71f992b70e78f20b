/// EditInfinity: changes a picture by learning, with Infinity, the text that would have made it, and making it again
/// from another text (arXiv 2510.20217).
@NullMarked
package dev.palimpsest.models.editinfinity;

import org.jspecify.annotations.NullMarked;
