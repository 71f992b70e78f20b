/// Kernels in machine code for x86-64 processors, written at run time by an assembler in Java.
@NullMarked
package dev.palimpsest.kernels.x86;

import org.jspecify.annotations.NullMarked;
