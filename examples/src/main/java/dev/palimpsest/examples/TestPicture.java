package dev.palimpsest.examples;

import dev.palimpsest.models.image.RgbImage;
import java.awt.Color;
import java.awt.GradientPaint;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;

/// A picture to try things with where nobody gave one: a sun over a hill.
final class TestPicture {
    private static final int WIDTH = 160;
    private static final int HEIGHT = 120;

    private TestPicture() {}

    static RgbImage draw() {
        var image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        var g = image.createGraphics();
        try {
            g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
            g.setPaint(new GradientPaint(0, 0, new Color(60, 110, 190), 0, HEIGHT, new Color(250, 220, 180)));
            g.fillRect(0, 0, WIDTH, HEIGHT);
            g.setPaint(new Color(255, 240, 150));
            g.fillOval(100, 20, 30, 30);
            g.setPaint(new Color(50, 110, 60));
            g.fillOval(-40, 80, 240, 120);
        } finally {
            g.dispose();
        }
        return RgbImage.of(image);
    }
}
