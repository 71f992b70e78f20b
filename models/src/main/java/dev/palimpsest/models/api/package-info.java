/// What applications program against, whatever the model.
@NullMarked
package dev.palimpsest.models.api;

import org.jspecify.annotations.NullMarked;
