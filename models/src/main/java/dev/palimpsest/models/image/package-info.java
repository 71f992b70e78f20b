/// Pictures: decoding, encoding, resizing, cropping and normalising.
@NullMarked
package dev.palimpsest.models.image;

import org.jspecify.annotations.NullMarked;
