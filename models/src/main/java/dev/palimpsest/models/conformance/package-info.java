/// Conformance with the original implementations: golden files hold a component's weights, inputs and outputs as the
/// original computed them; evaluators build the component from the file and compute its outputs again; the runner
/// compares.
@NullMarked
package dev.palimpsest.models.conformance;

import org.jspecify.annotations.NullMarked;
