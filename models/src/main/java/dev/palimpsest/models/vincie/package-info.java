/// VINCIE: in-context editing in several turns by a block-causal diffusion transformer.
@NullMarked
package dev.palimpsest.models.vincie;

import org.jspecify.annotations.NullMarked;
