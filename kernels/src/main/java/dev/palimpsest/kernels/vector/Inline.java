package dev.palimpsest.kernels.vector;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/// Marks a static method that [Specialized] copies into the loops that call it, so that its being inlined does not
/// depend on
/// the just-in-time compiler's judgement. It may use what every class of the package may use (a private constant is
/// fine where
/// the Java compiler puts in its value), and neither `switch` nor `try`.
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.CLASS)
@interface Inline {}
