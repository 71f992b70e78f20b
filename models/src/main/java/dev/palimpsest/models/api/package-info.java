/// The interface for applications: editors, sessions, options, progress and cancellation.
@NullMarked
package dev.palimpsest.models.api;

import org.jspecify.annotations.NullMarked;
