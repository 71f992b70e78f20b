/// Tensors: element types, shapes, views and scoped memory.
@NullMarked
package dev.palimpsest.tensor;

import org.jspecify.annotations.NullMarked;
